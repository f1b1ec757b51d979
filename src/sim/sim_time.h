#pragma once

#include <cmath>
#include <cstdint>

#include "base/units.h"

namespace minos {

// Virtual time, in picoseconds since the start: what costs less than a nanosecond adds up, and sums
// of whole numbers are the same on every machine. Good for 100 days.
using Picos = std::int64_t;

inline constexpr Picos kPicosPerNano = 1000;
inline constexpr Picos kPicosPerSecond = 1'000'000'000'000;
inline constexpr Picos kNever = INT64_MAX;

inline Picos picos(double nanos) {
  return static_cast<Picos>(std::llround(nanos * static_cast<double>(kPicosPerNano)));
}
constexpr Picos picos(Nanos nanos) {
  return nanos.count() * kPicosPerNano;
}
// Where workers' clocks stand at the start: 0 means "never" to some of what they remember.
inline constexpr Nanos kVirtualStart = std::chrono::seconds(1);

constexpr double micros_of(Picos time) {
  return static_cast<double>(time) / 1e6;
}

}  // namespace minos
