#include "client/key.h"

#include <fmt/format.h>

#include "base/limits.h"

namespace minos {

std::expected<void, std::string> check_key_length(std::string_view key) {
  if (key.empty()) return std::unexpected("the key is empty");
  if (key.size() <= kKeyBytesMax) return {};
  return std::unexpected(
      fmt::format("the key has {} bytes, at most {} are allowed", key.size(), kKeyBytesMax));
}

}  // namespace minos
