#include "load/zipf.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace minos {
namespace {

constexpr double kTiny = 1e-8;

// log1p(x) / x and expm1(x) / x, continued through 0, where theta = 1 leads.
double log1p_ratio(double x) {
  return std::abs(x) < kTiny ? 1 - x / 2 : std::log1p(x) / x;
}
double expm1_ratio(double x) {
  return std::abs(x) < kTiny ? 1 + x / 2 : std::expm1(x) / x;
}

}  // namespace

Zipf::Zipf(std::uint64_t count, double theta) : count_(count), theta_(theta) {
  CHECK(count >= 1 && theta >= 0);
  area_low_ = integral(1.5) - 1;
  area_high_ = integral(static_cast<double>(count) + 0.5);
  accept_within_ = 2 - inverse_integral(integral(2.5) - weight(2));
}

double Zipf::weight(double x) const {
  return std::exp(-theta_ * std::log(x));
}

double Zipf::integral(double x) const {
  const double log_x = std::log(x);
  return expm1_ratio((1 - theta_) * log_x) * log_x;
}

double Zipf::inverse_integral(double area) const {
  const double t = std::max(area * (1 - theta_), -1.0);  // rounding may step below -1
  return std::exp(log1p_ratio(t) * area);
}

std::uint64_t Zipf::draw(Prng& prng) const {
  for (;;) {
    const double area = area_high_ + prng.uniform() * (area_low_ - area_high_);
    const double x = inverse_integral(area);
    const double rank = std::clamp(std::floor(x + 0.5), 1.0, static_cast<double>(count_));
    if (rank - x <= accept_within_ || area >= integral(rank + 0.5) - weight(rank)) {
      return static_cast<std::uint64_t>(rank) - 1;
    }
  }
}

Scramble::Scramble(std::uint64_t count, std::uint64_t seed) : count_(count) {
  CHECK(count >= 1 && count <= (1ULL << 32));
  constexpr double kGoldenShare = 0.6180339887498949;
  multiplier_ = static_cast<std::uint64_t>(static_cast<double>(count) * kGoldenShare) | 1;
  while (std::gcd(multiplier_, count) != 1) multiplier_ += 2;
  offset_ = Prng(seed).below(count);
}

}  // namespace minos
