#pragma once

#include <cstdint>

#include "client/datagram_session.h"

namespace minos {

// Applies `combine` counter by counter.
template <typename Combine>
SessionCounters combined(SessionCounters a, const SessionCounters& b, Combine combine) {
  using Counters = SessionCounters;
  for (const auto counter :
       {&Counters::sent, &Counters::received, &Counters::garbage, &Counters::late,
        &Counters::retries, &Counters::refused, &Counters::restarts}) {
    a.*counter = combine(a.*counter, b.*counter);
  }
  return a;
}
static_assert(sizeof(SessionCounters) == 7 * sizeof(std::uint64_t));

}  // namespace minos
