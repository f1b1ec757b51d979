#include "wire/tokens.h"

#include <limits>

namespace minos {
namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

struct Number {
  std::uint64_t magnitude;
  bool negative;
};

std::optional<Number> parse_number(std::string_view token) {
  std::size_t i = 0;
  while (i < token.size() && is_space(token[i])) ++i;
  bool negative = false;
  if (i < token.size() && (token[i] == '-' || token[i] == '+')) negative = token[i++] == '-';
  const std::size_t first_digit = i;
  std::uint64_t value = 0;
  for (; i < token.size(); ++i) {
    const auto digit = static_cast<std::uint64_t>(static_cast<unsigned char>(token[i])) - '0';
    if (digit > 9) break;
    if (i - first_digit >= 18) [[unlikely]] {
      if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) return std::nullopt;
    }
    value = value * 10 + digit;
  }
  if (i == first_digit) return std::nullopt;
  if (i < token.size() && !is_space(token[i])) return std::nullopt;
  return Number{value, negative};
}

}  // namespace

std::optional<std::uint64_t> parse_unsigned(std::string_view token) {
  const std::optional<Number> number = parse_number(token);
  if (!number) return std::nullopt;
  if (!number->negative) return number->magnitude;
  // strtoull wraps negative numbers; memcached refuses only those that look negative afterwards.
  const std::uint64_t wrapped = 0 - number->magnitude;
  if (static_cast<std::int64_t>(wrapped) < 0) return std::nullopt;
  return wrapped;
}

std::optional<std::int64_t> parse_signed(std::string_view token) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();
  const std::optional<Number> number = parse_number(token);
  if (!number || number->magnitude > kMax + (number->negative ? 1 : 0)) return std::nullopt;
  const std::uint64_t bits = number->negative ? 0 - number->magnitude : number->magnitude;
  return static_cast<std::int64_t>(bits);
}

}  // namespace minos
