#pragma once

#include <expected>
#include <string>
#include <string_view>

namespace minos {

// The error says what is wrong with the key's length.
std::expected<void, std::string> check_key_length(std::string_view key);

}  // namespace minos
