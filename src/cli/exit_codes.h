#pragma once

#include <fmt/core.h>

#include <cstdio>
#include <string_view>

namespace minos {

inline constexpr int kExitFine = 0;
inline constexpr int kExitFailed = 1;  // the server, or what it said
inline constexpr int kExitUsage = 2;

// Both say what is wrong: with the arguments of `command`, "minos load" for one, or later.
inline int usage_error(std::string_view command, std::string_view error) {
  fmt::print(stderr, "{}: {}\n", command, error);
  return kExitUsage;
}
inline int failure(std::string_view command, std::string_view error) {
  fmt::print(stderr, "{}: {}\n", command, error);
  return kExitFailed;
}

}  // namespace minos
