#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <list>
#include <string_view>
#include <vector>

#include "base/prng.h"

// Textbook replacement policies over numbered keys of one size, to compare the store with.
namespace minos::testing {

// Zipf-distributed ranks over [0, keys), by rejection from the integral of x^-skew, scattered so
// that ranks are not neighbours.
class ZipfKeys {
 public:
  ZipfKeys(std::uint64_t keys, double skew, std::uint64_t seed)
      : keys_(keys),
        skew_(skew),
        prng_(seed),
        low_(integral(0.5)),
        high_(integral(static_cast<double>(keys) + 0.5)) {}

  std::uint64_t next() {
    for (;;) {
      const double x = inverse(low_ + prng_.uniform() * (high_ - low_));
      const double rank = std::max(1.0, std::floor(x + 0.5));
      // Accept with the ratio of the mass of the rank to that of its interval.
      const double interval = integral(rank + 0.5) - integral(rank - 0.5);
      if (prng_.uniform() * interval <= std::pow(rank, -skew_)) {
        return std::min<std::uint64_t>(static_cast<std::uint64_t>(rank) - 1, keys_ - 1);
      }
    }
  }

 private:
  double integral(double x) const {
    return skew_ == 1.0 ? std::log(x) : std::pow(x, 1 - skew_) / (1 - skew_);
  }
  double inverse(double y) const {
    return skew_ == 1.0 ? std::exp(y) : std::pow(y * (1 - skew_), 1 / (1 - skew_));
  }

  std::uint64_t keys_;
  double skew_;
  Prng prng_;
  double low_;
  double high_;
};

enum class CacheModel { kFifo, kLru, kSieve, kS3Fifo };
inline constexpr std::array kCacheModels = {CacheModel::kFifo, CacheModel::kLru, CacheModel::kSieve,
                                            CacheModel::kS3Fifo};
std::string_view name_of(CacheModel model);

// The share of hits in the second half of the requests.
double hit_ratio(CacheModel model, std::uint64_t capacity, std::uint64_t requests, ZipfKeys& keys);

}  // namespace minos::testing
