#include "load/arrivals.h"

#include <gtest/gtest.h>

#include <cmath>

namespace minos {
namespace {

TEST(PoissonArrivals, GapsAreExponential) {
  constexpr int kCount = 400'000;
  PoissonArrivals arrivals(1e6, millis(5), 7);
  Nanos last = millis(5);
  double sum = 0;
  double sum_of_squares = 0;
  int above_mean = 0;
  for (int i = 0; i < kCount; ++i) {
    const auto gap = static_cast<double>((arrivals.next() - last).count());
    ASSERT_GE(gap, 0);
    last = arrivals.next();
    arrivals.pop();
    sum += gap;
    sum_of_squares += gap * gap;
    above_mean += gap > 1000 ? 1 : 0;
  }
  const double mean = sum / kCount;
  EXPECT_NEAR(mean, 1000, 10);
  EXPECT_NEAR(std::sqrt(sum_of_squares / kCount - mean * mean), 1000, 15);
  EXPECT_NEAR(above_mean / static_cast<double>(kCount), std::exp(-1.0), 0.005);
}

TEST(PoissonArrivals, SameSeedSameTimes) {
  PoissonArrivals a(5e4, Nanos(0), 1);
  PoissonArrivals b(5e4, Nanos(0), 1);
  PoissonArrivals other(5e4, Nanos(0), 2);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(a.next(), b.next());
    EXPECT_NE(a.next(), other.next());
    a.pop();
    b.pop();
    other.pop();
  }
}

}  // namespace
}  // namespace minos
