#include "load/zipf.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace minos {
namespace {

class ZipfTest : public ::testing::TestWithParam<std::pair<std::uint64_t, double>> {};

// Pearson's chi-square over the ranks, those expected fewer than ten times pooled. A sampler that
// is off by one rank or by 1 % of theta is far outside; a right one is inside for almost any seed.
TEST_P(ZipfTest, MatchesTheExactDistribution) {
  const auto [count, theta] = GetParam();
  constexpr int kDraws = 1'000'000;
  const Zipf zipf(count, theta);
  Prng prng(42);
  std::vector<double> seen(count);
  for (int i = 0; i < kDraws; ++i) {
    const std::uint64_t rank = zipf.draw(prng);
    ASSERT_LT(rank, count);
    ++seen[rank];
  }
  double norm = 0;
  for (std::uint64_t k = 1; k <= count; ++k) norm += std::pow(k, -theta);
  double chi_square = 0;
  double bins = 0;
  double pooled_seen = 0;
  double pooled_wanted = 0;
  for (std::uint64_t k = 1; k <= count; ++k) {
    pooled_seen += seen[k - 1];
    pooled_wanted += kDraws * std::pow(k, -theta) / norm;
    if (pooled_wanted < 10) continue;
    chi_square += (pooled_seen - pooled_wanted) * (pooled_seen - pooled_wanted) / pooled_wanted;
    ++bins;
    pooled_seen = pooled_wanted = 0;
  }
  const double freedom = std::max(bins - 1, 1.0);
  EXPECT_LT(chi_square, freedom + 5 * std::sqrt(2 * freedom));
  EXPECT_GE(chi_square + 1, bins > 10 ? freedom - 5 * std::sqrt(2 * freedom) : 0);
}

INSTANTIATE_TEST_SUITE_P(Shapes, ZipfTest,
                         ::testing::Values(std::pair(1UL, 0.99), std::pair(2UL, 0.99),
                                           std::pair(10UL, 0.0), std::pair(1000UL, 0.5),
                                           std::pair(1000UL, 0.99), std::pair(1000UL, 1.0),
                                           std::pair(100'000UL, 0.99), std::pair(1000UL, 1.2),
                                           std::pair(1000UL, 3.0)));

TEST(Scramble, IsAPermutationWithoutNeighbours) {
  for (const std::uint64_t count : {1UL, 2UL, 3UL, 10UL, 97UL, 1000UL, 65536UL}) {
    const Scramble scramble(count, 3);
    std::vector<bool> taken(count);
    for (std::uint64_t rank = 0; rank < count; ++rank) {
      const std::uint64_t key = scramble(rank);
      ASSERT_LT(key, count);
      EXPECT_FALSE(taken[key]);
      taken[key] = true;
      if (count < 97 || rank == 0) continue;
      const auto gap = static_cast<std::int64_t>(key - scramble(rank - 1));
      EXPECT_GT(std::abs(gap), 10);
    }
  }
}

}  // namespace
}  // namespace minos
