#pragma once

#include <cstdint>

#include "base/units.h"

// memcached's rules for the exptime of a command.
namespace minos {

// Up to this many seconds are relative to now, more are a Unix time.
inline constexpr std::int64_t kRelativeExptimeMax = 60 * 60 * 24 * 30;

// When an item with this exptime expires: 0 = never; otherwise it is expired once `now` has come to
// the returned time. A negative exptime gives a time long past. Times beyond UnixSeconds are cut to
// its end.
UnixSeconds expires_at(std::int64_t exptime, UnixSeconds now);

// When `flush_all <delay>` takes effect: 0 = at once.
UnixSeconds flush_at(std::int64_t delay, UnixSeconds now);

}  // namespace minos
