#pragma once

#include <cstdint>

#include "base/prng.h"
#include "base/units.h"

namespace minos {

// Arrival times of a Poisson process: an open loop, which does not wait for replies.
class PoissonArrivals {
 public:
  // The first arrival comes one gap after `start`. rate_per_s > 0.
  PoissonArrivals(double rate_per_s, Nanos start, std::uint64_t seed)
      : prng_(seed), mean_ns_(1e9 / rate_per_s), start_(start) {
    pop();
  }

  // When the next request is due.
  Nanos next() const { return start_ + Nanos(static_cast<std::int64_t>(since_start_ns_)); }

  void pop() { since_start_ns_ += prng_.exponential(mean_ns_); }

 private:
  Prng prng_;
  double mean_ns_;
  Nanos start_;
  double since_start_ns_ = 0;  // a double, or gaps below 1 µs would be rounded to a wrong rate
};

}  // namespace minos
