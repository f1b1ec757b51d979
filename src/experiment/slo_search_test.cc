#include "experiment/slo_search.h"

#include <gtest/gtest.h>

#include <vector>

namespace minos {
namespace {

const std::vector<double> kGrid = {0.3, 0.5, 0.7, 0.9};

// Tries of a search whose promise holds up to `limit`.
std::vector<double> search_up_to(double limit, SloSearch& search) {
  std::vector<double> tries;
  while (const auto load = search.next()) {
    tries.push_back(*load);
    search.record(*load <= limit);
  }
  return tries;
}

TEST(SloSearch, FindsAnyLimitWithinItsResolution) {
  for (double limit = 0.01; limit < 1; limit += 0.0137) {
    SloSearch search(kGrid, 0.005);
    const auto tries = search_up_to(limit, search);
    EXPECT_LE(search.best(), limit);
    EXPECT_GE(search.best(), limit - 0.005);
    EXPECT_LE(tries.size(), SloSearch::tries_max(kGrid, 0.005));
  }
}

TEST(SloSearch, TriesTheWholeGridFirst) {
  SloSearch search(kGrid, 0.1);
  EXPECT_EQ(search_up_to(0.4, search), (std::vector<double>{0.3, 0.5, 0.7, 0.9, 0.4}));
  EXPECT_DOUBLE_EQ(search.best(), 0.4);
}

TEST(SloSearch, LooksBelowAndAboveTheGrid) {
  SloSearch low(kGrid, 0.1);
  search_up_to(0.16, low);
  EXPECT_DOUBLE_EQ(low.best(), 0.15);
  SloSearch none(kGrid, 0.1);
  search_up_to(0, none);
  EXPECT_DOUBLE_EQ(none.best(), 0);
  SloSearch high(kGrid, 0.05);
  search_up_to(1, high);
  EXPECT_DOUBLE_EQ(high.best(), 0.95);
}

TEST(SloSearch, AKeptPromiseAboveABrokenOneDoesNotCount) {
  SloSearch search({0.2, 0.4, 0.6}, 0.2);
  search.record(true);
  search.record(false);
  search.record(true);
  EXPECT_FALSE(search.next().has_value());
  EXPECT_DOUBLE_EQ(search.best(), 0.2);
}

}  // namespace
}  // namespace minos
