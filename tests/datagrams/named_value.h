#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/prng.h"

namespace minos {

// A value that says of which key and which version it is, and of which every part does: no two
// agree in eight bytes at one place. At least 32 bytes.
inline std::string named_value(std::string_view key, std::uint32_t version, std::size_t bytes) {
  constexpr std::size_t kHeadBytes = 32;
  std::string out = std::to_string(version) + " " + std::to_string(std::max(bytes, kHeadBytes));
  out.resize(kHeadBytes, ' ');
  std::uint64_t state = hash_key(key) ^ version;
  while (out.size() < bytes) {
    const std::uint64_t word = splitmix64(state);
    out.append(reinterpret_cast<const char*>(&word), std::min<std::size_t>(8, bytes - out.size()));
  }
  return out;
}

// nullopt when it is not what named_value() made of this key.
inline std::optional<std::uint32_t> version_of(std::string_view key, std::string_view value) {
  std::uint32_t version = 0;
  const char* const end = value.data() + value.size();
  if (std::from_chars(value.data(), end, version).ec != std::errc()) return std::nullopt;
  return value == named_value(key, version, value.size()) ? std::optional(version) : std::nullopt;
}

}  // namespace minos
