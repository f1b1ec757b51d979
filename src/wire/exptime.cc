#include "wire/exptime.h"

#include <algorithm>
#include <limits>

namespace minos {

UnixSeconds expires_at(std::int64_t exptime, UnixSeconds now) {
  constexpr UnixSeconds kLongPast = 1;  // 0 would mean never
  if (exptime == 0) return 0;
  if (exptime < 0) return kLongPast;
  const std::int64_t at = exptime <= kRelativeExptimeMax ? now + exptime : exptime;
  return static_cast<UnixSeconds>(
      std::min<std::int64_t>(at, std::numeric_limits<UnixSeconds>::max()));
}

UnixSeconds flush_at(std::int64_t delay, UnixSeconds now) {
  return delay <= 0 ? 0 : expires_at(delay, now);
}

}  // namespace minos
