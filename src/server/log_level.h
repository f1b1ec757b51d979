#pragma once

#include <cstdint>
#include <string_view>

namespace minos {

// "1.6.27": the memcached whose replies these are; clients read the first three numbers.
inline constexpr std::string_view kServerVersion = "1.6.27-minos-" MINOS_VERSION;
inline constexpr std::string_view kVersionReply = "VERSION 1.6.27-minos-" MINOS_VERSION "\r\n";

// 0: warnings and errors; 1: what the server does; 2: connections; 3: everything. Any thread.
void set_log_level(std::uint32_t level);
std::uint32_t log_level();

}  // namespace minos
