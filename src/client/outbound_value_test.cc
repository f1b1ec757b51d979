#include "client/outbound_value.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.h"

namespace minos {
namespace {

constexpr std::uint16_t kFragment = 1000;

std::string missing_of(const std::vector<FragmentMap::Range>& ranges) {
  return {reinterpret_cast<const char*>(ranges.data()), 8 * ranges.size()};
}

std::vector<OutboundValue::Fragment> all_now(OutboundValue& value) {
  std::vector<OutboundValue::Fragment> out;
  while (const auto fragment = value.next()) out.push_back(*fragment);
  return out;
}

TEST(OutboundValue, AtMostTwoStretchesWithoutAnAnswer) {
  OutboundValue value(1'000'500, kFragment);
  const auto sent = all_now(value);
  std::size_t marks = 0;
  for (const auto& fragment : sent) marks += fragment.marked ? 1 : 0;
  EXPECT_EQ(marks, 2U);
  EXPECT_TRUE(sent.back().marked);
  EXPECT_EQ(sent.size(), 132U) << "64 KiB are 66 fragments";
  // The first stretch has arrived: one more may go.
  ASSERT_TRUE(value.missing(missing_of({{66'000, 934'500}})));
  const auto more = all_now(value);
  EXPECT_EQ(more.front().offset, 132'000U);
  EXPECT_EQ(more.size(), 66U);
  EXPECT_FALSE(value.missing(missing_of({{66'000, 934'500}}))) << "says nothing new";
}

TEST(OutboundValue, OnlyTheGapsGoAgain) {
  OutboundValue value(50'000, kFragment);
  EXPECT_EQ(all_now(value).size(), 50U);
  EXPECT_TRUE(value.all_sent());
  ASSERT_TRUE(value.missing(missing_of({{3000, 2000}, {40'000, 1000}})));
  const auto again = all_now(value);
  ASSERT_EQ(again.size(), 3U);
  EXPECT_EQ(again[0].offset, 3000U);
  EXPECT_EQ(again[1].offset, 4000U);
  EXPECT_EQ(again[2].offset, 40'000U);
  EXPECT_FALSE(again[1].marked);
  EXPECT_TRUE(again[2].marked);
}

TEST(OutboundValue, WhatWasSentLaterIsNotLost) {
  OutboundValue value(1'000'000, kFragment);
  all_now(value);
  // The answer to the first mark, made before the second stretch came.
  ASSERT_TRUE(value.missing(missing_of({{5000, 1000}, {66'000, 934'000}})));
  const auto again = all_now(value);
  EXPECT_EQ(again[0].offset, 5000U);
  EXPECT_EQ(again[1].offset, 132'000U);
}

TEST(OutboundValue, AProbeAsksWhatIsThere) {
  OutboundValue value(50'000, kFragment);
  all_now(value);
  value.probe();
  const auto probe = all_now(value);
  ASSERT_EQ(probe.size(), 1U);
  EXPECT_EQ(probe[0].offset, 49'000U);
  EXPECT_TRUE(probe[0].marked);
  // The server has forgotten everything.
  ASSERT_TRUE(value.missing(missing_of({{0, 49'000}})));
  EXPECT_EQ(all_now(value).size(), 49U);
}

TEST(OutboundValue, RefusesNonsense) {
  OutboundValue value(50'000, kFragment);
  all_now(value);
  EXPECT_FALSE(value.missing(""));
  EXPECT_FALSE(value.missing("1234567"));
  EXPECT_FALSE(value.missing(missing_of({{1, 1000}})));
  EXPECT_FALSE(value.missing(missing_of({{50'000, 1000}})));
  EXPECT_FALSE(value.missing(missing_of({{49'000, 1001}})));
  EXPECT_FALSE(value.missing(missing_of({{0, 0}})));
}

// Whatever is lost, all arrives in the end, with answers that are lost as well.
TEST(OutboundValue, EverythingArrivesInTheEnd) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    const auto bytes = static_cast<std::uint32_t>(1001 + prng.below(500'000));
    OutboundValue value(bytes, kFragment);
    FragmentMap server(bytes, kFragment);
    std::size_t sent = 0;
    while (!server.complete()) {
      bool answered = false;
      for (const auto& fragment : all_now(value)) {
        ASSERT_LT(++sent, 20 * bytes / kFragment + 1000) << "never ends";
        if (prng.below(5) == 0) continue;
        server.add(fragment.offset);
        if (!fragment.marked || server.complete() || prng.below(5) == 0) continue;
        std::array<FragmentMap::Range, 180> gaps;
        const std::size_t count = server.gaps(gaps);
        answered = value.missing(missing_of({gaps.begin(), gaps.begin() + count})) || answered;
      }
      if (!answered) value.probe();
    }
  }
}

}  // namespace
}  // namespace minos
