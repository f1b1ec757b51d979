#include "wire/fragment_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <numeric>
#include <set>
#include <vector>

#include "base/limits.h"
#include "base/prng.h"

namespace minos {
namespace {

using testing::ElementsAre;
using Range = FragmentMap::Range;

std::vector<Range> gaps_of(const FragmentMap& map, std::size_t max = 1000) {
  std::vector<Range> out(max);
  out.resize(map.gaps(out));
  return out;
}

TEST(FragmentMap, OneFragment) {
  for (const std::uint16_t fragment_bytes : std::vector<std::uint16_t>{0, 256, 1400}) {
    for (const std::uint32_t value_bytes : {0U, 1U, 256U}) {
      FragmentMap map(value_bytes, fragment_bytes);
      EXPECT_FALSE(map.complete());
      EXPECT_THAT(gaps_of(map), ElementsAre(Range{0, value_bytes}));
      EXPECT_TRUE(map.add(0));
      EXPECT_TRUE(map.complete());
      EXPECT_FALSE(map.add(0));
      EXPECT_THAT(gaps_of(map), ElementsAre());
    }
  }
}

TEST(FragmentMap, GapsAreWholeRunsAndTheLastIsShort) {
  FragmentMap map(1000, 300);
  EXPECT_EQ(map.missing_fragments(), 4U);
  EXPECT_TRUE(map.add(300));
  EXPECT_THAT(gaps_of(map), ElementsAre(Range{0, 300}, Range{600, 400}));
  EXPECT_THAT(gaps_of(map, 1), ElementsAre(Range{0, 300}));
  EXPECT_TRUE(map.add(900));
  EXPECT_THAT(gaps_of(map), ElementsAre(Range{0, 300}, Range{600, 300}));
  EXPECT_TRUE(map.add(0));
  EXPECT_TRUE(map.add(600));
  EXPECT_TRUE(map.complete());
}

// In any order, with repeats, against a set of what is missing.
TEST(FragmentMap, AgreesWithASet) {
  Prng prng(1);
  for (int round = 0; round < 200; ++round) {
    const auto fragment_bytes = static_cast<std::uint16_t>(256 + prng.below(1200));
    const auto value_bytes = static_cast<std::uint32_t>(1 + prng.below(500'000));
    FragmentMap map(value_bytes, fragment_bytes);
    std::set<std::uint32_t> missing;
    for (std::uint32_t at = 0; at < value_bytes; at += fragment_bytes) missing.insert(at);
    while (!missing.empty()) {
      const auto at =
          static_cast<std::uint32_t>(prng.below(value_bytes) / fragment_bytes * fragment_bytes);
      EXPECT_EQ(map.add(at), missing.erase(at) == 1);
      ASSERT_EQ(map.missing_fragments(), missing.size());
      ASSERT_EQ(map.complete(), missing.empty());
      if (prng.below(50) != 0) continue;
      std::set<std::uint32_t> in_gaps;
      for (const Range& gap : gaps_of(map)) {
        for (std::uint32_t o = gap.offset; o < gap.offset + gap.bytes; o += fragment_bytes) {
          in_gaps.insert(o);
        }
      }
      ASSERT_EQ(in_gaps, missing);
    }
  }
}

TEST(FragmentMap, LargestValue) {
  FragmentMap map(kItemBytesMax, 256);
  EXPECT_EQ(map.missing_fragments(), kItemBytesMax / 256);
  EXPECT_TRUE(map.add(kItemBytesMax - 256));
  EXPECT_THAT(gaps_of(map), ElementsAre(Range{0, kItemBytesMax - 256}));
}

}  // namespace
}  // namespace minos
