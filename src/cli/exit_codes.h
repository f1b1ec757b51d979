#pragma once

namespace minos {

inline constexpr int kExitFine = 0;
inline constexpr int kExitFailed = 1;  // the server, or what it said
inline constexpr int kExitUsage = 2;

}  // namespace minos
