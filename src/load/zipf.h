#pragma once

#include <cstdint>

#include "base/prng.h"

namespace minos {

// Draws a rank in [0, count) with probability proportional to (rank + 1)^-theta, in constant time
// and memory, by rejection-inversion (Hörmann and Derflinger, ACM TOMACS 6(3), 1996). theta >= 0,
// where 0 is uniform; count >= 1.
class Zipf {
 public:
  Zipf(std::uint64_t count, double theta);

  std::uint64_t draw(Prng& prng) const;

 private:
  double weight(double x) const;
  // An antiderivative of weight(), and its inverse.
  double integral(double x) const;
  double inverse_integral(double area) const;

  std::uint64_t count_;
  double theta_;
  double area_low_;       // where the histogram bar of the first rank begins
  double area_high_;      // and the last one ends
  double accept_within_;  // a point this close below its rank is accepted without computing more
};

// A fixed permutation of [0, count): ranks become keys that are no neighbours, so that popular keys
// are spread over whatever the server does with key order. count in [1, 2^32].
class Scramble {
 public:
  Scramble(std::uint64_t count, std::uint64_t seed);

  std::uint64_t operator()(std::uint64_t rank) const {
    return (rank * multiplier_ + offset_) % count_;
  }

 private:
  std::uint64_t count_;
  std::uint64_t multiplier_;  // coprime to count_, about count_ divided by the golden ratio
  std::uint64_t offset_;
};

}  // namespace minos
