#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

// The words that a line of the memcached protocols is made of.
namespace minos {

// The high bit of the lowest byte of `word` that equals `c` is set; bits above it mean nothing.
inline std::uint64_t match_byte(std::uint64_t word, char c) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  const std::uint64_t x = word ^ (kOnes * static_cast<unsigned char>(c));
  return (x - kOnes) & ~x & (kOnes << 7);
}

// At or after `pos`; input.size() when there is none.
inline std::size_t find_blank_or_newline(std::string_view input, std::size_t pos) {
  static_assert(std::endian::native == std::endian::little);
  for (; pos + sizeof(std::uint64_t) <= input.size(); pos += sizeof(std::uint64_t)) {
    std::uint64_t word;
    std::memcpy(&word, input.data() + pos, sizeof(word));
    const std::uint64_t hits = match_byte(word, ' ') | match_byte(word, '\n');
    if (hits != 0) return pos + static_cast<std::size_t>(std::countr_zero(hits)) / 8;
  }
  while (pos < input.size() && input[pos] != ' ' && input[pos] != '\n') ++pos;
  return pos;
}

inline std::size_t skip_blanks(std::string_view input, std::size_t pos) {
  while (pos < input.size() && input[pos] == ' ') ++pos;
  return pos;
}

// A whole token as a number, read as memcached's strtol family does: white space and a sign may
// come first, and white space ends the number whatever follows it.
std::optional<std::uint64_t> parse_unsigned(std::string_view token);
std::optional<std::int64_t> parse_signed(std::string_view token);

}  // namespace minos
