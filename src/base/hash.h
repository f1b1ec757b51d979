#pragma once

#include <cstdint>
#include <string_view>

namespace minos {

// 64-bit XXH3 of a key. The same for every core and every run.
std::uint64_t hash_key(std::string_view key);

}  // namespace minos
