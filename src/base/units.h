#pragma once

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>

namespace minos {

// A point or a span on a monotonic clock whose origin is the start of the program (or of the
// simulation). Negative points do not occur.
using Nanos = std::chrono::nanoseconds;

constexpr Nanos micros(std::int64_t n) {
  return std::chrono::microseconds(n);
}
constexpr Nanos millis(std::int64_t n) {
  return std::chrono::milliseconds(n);
}

// Whole seconds since the Unix epoch; 0 as an expiry means "never".
using UnixSeconds = std::uint32_t;

// Both clocks, read once at the top of a step and passed down.
struct Now {
  Nanos mono{0};
  UnixSeconds unix_s = 0;
};

// A worker and the CPU that it runs on, in [0, number of workers).
struct CoreId {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(CoreId, CoreId) = default;
};

// A receive queue of a data plane, in [0, number of queues).
struct QueueId {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(QueueId, QueueId) = default;
};

inline constexpr std::size_t kCacheLineBytes = 64;

inline constexpr std::uint64_t kKiB = 1024;
inline constexpr std::uint64_t kMiB = 1024 * kKiB;
inline constexpr std::uint64_t kGiB = 1024 * kMiB;

}  // namespace minos
