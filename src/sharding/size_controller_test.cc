#include "sharding/size_controller.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <limits>
#include <utility>
#include <vector>

namespace minos {
namespace {

using testing::ElementsAre;

constexpr std::uint64_t kSizeMax = std::numeric_limits<std::uint64_t>::max();
constexpr CoreRole kSmall = CoreRole::kSmall;
constexpr CoreRole kLarge = CoreRole::kLarge;
constexpr CoreRole kStandby = CoreRole::kStandby;
constexpr CoreRole kElastic = CoreRole::kElastic;

SizeHistogram epoch_of(std::initializer_list<std::pair<std::uint64_t, std::uint64_t>> sizes) {
  SizeHistogram epoch;
  for (const auto& [value_bytes, times] : sizes) epoch.record(value_bytes, times);
  return epoch;
}

ControllerOptions options_of(PolicyKind policy, std::uint16_t cores) {
  ControllerOptions options;
  options.policy = policy;
  options.cores = cores;
  options.large_percentile = 90;
  options.smoothing = 1;
  options.cost = CostUnit::kBytes;
  return options;
}

CorePlan plan_of(PolicyKind policy, std::uint16_t cores, const SizeHistogram& epoch) {
  return SizeController(options_of(policy, cores)).next(epoch, 0);
}

std::vector<CoreRole> roles(const CorePlan& plan) {
  std::vector<CoreRole> out;
  for (const CorePlan::Core& core : plan.cores) out.push_back(core.role);
  return out;
}

// 100 requests, p = 90: at most 10 above the threshold. Above 1 B there are 4 + 3 + 2 = 9, above 0
// B all: the threshold is 1 B. Cost in bytes: small 91 * 1 = 91; large 4 * 15 = 60, 3 * 20 = 60, 2
// * 30 = 60; all 271. On 5 cores x = 5 * 91 / 271 = 1.68.
const SizeHistogram kThreeSizes = epoch_of({{1, 91}, {15, 4}, {20, 3}, {30, 2}});

TEST(SizeController, SizeAwareRoundsUpAndCutsTheLargeSizesByCost) {
  const CorePlan plan = plan_of(PolicyKind::kSizeAware, 5, kThreeSizes);
  EXPECT_EQ(plan.version, 1U);
  EXPECT_EQ(plan.threshold_bytes, 1U);
  EXPECT_DOUBLE_EQ(plan.small_cost_share, 91.0 / 271);
  // ceil(1.68) = 2 small; 180 / 3 = 60 for each large one.
  ASSERT_THAT(roles(plan), ElementsAre(kSmall, kSmall, kLarge, kLarge, kLarge));
  EXPECT_EQ(plan.cores[2].large_range, (SizeRange{2, 15}));
  EXPECT_EQ(plan.cores[3].large_range, (SizeRange{16, 20}));
  EXPECT_EQ(plan.cores[4].large_range, (SizeRange{21, kSizeMax}));
  EXPECT_EQ(plan.large_core_for(15), CoreId{2});
  EXPECT_EQ(plan.large_core_for(16), CoreId{3});
  EXPECT_EQ(plan.large_core_for(kSizeMax), CoreId{4});
}

TEST(SizeController, ElasticRoundsDownAndCutsAmongTheElasticCores) {
  const CorePlan plan = plan_of(PolicyKind::kElastic, 5, kThreeSizes);
  // floor(1.68) = 1 reserved; 180 / 4 = 45 each, at 45, 90, 135. The sizes cover (0, 60], (60,
  // 120], (120, 180]: the cuts are at 3/4 of 15 B (rounds to all of it), 1/2 of 20 B (all), 1/4 of
  // 30 B (none).
  ASSERT_THAT(roles(plan), ElementsAre(kSmall, kElastic, kElastic, kElastic, kElastic));
  EXPECT_EQ(plan.cores[1].large_range, (SizeRange{2, 15}));
  EXPECT_EQ(plan.cores[2].large_range, (SizeRange{16, 20}));
  EXPECT_EQ(plan.cores[3].large_range, (SizeRange{21, 29}));
  EXPECT_EQ(plan.cores[4].large_range, (SizeRange{30, kSizeMax}));
}

TEST(SizeController, KeyHashKnowsTheThresholdButNoRoles) {
  const CorePlan plan = plan_of(PolicyKind::kKeyHash, 3, kThreeSizes);
  EXPECT_EQ(plan.threshold_bytes, 1U);
  EXPECT_EQ(plan.count(CoreRole::kAny), 3U);
}

// 990 requests of 20 B take 1 packet each. 147200 B is in the class [139264, 147455], whose middle,
// 143359, takes ceil(97.4) = 98: 10 * 98 = 980. On 8 cores x = 8 * 990 / 1970 = 4.02. The one class
// is 8192 B wide; its thirds end after 2730.7 and 5461.3 B.
TEST(SizeController, CountsPacketsAndCutsWithinAClass) {
  const SizeHistogram epoch = epoch_of({{20, 990}, {147'200, 10}});
  ControllerOptions options = options_of(PolicyKind::kSizeAware, 8);
  options.large_percentile = 99;
  options.cost = CostUnit::kPackets;
  const CorePlan plan = SizeController(options).next(epoch, 41);
  EXPECT_EQ(plan.version, 42U);
  EXPECT_EQ(plan.threshold_bytes, 20U);
  EXPECT_DOUBLE_EQ(plan.small_cost_share, 990.0 / 1970);
  ASSERT_EQ(plan.count(kSmall), 5U);
  ASSERT_EQ(plan.count(kLarge), 3U);
  EXPECT_EQ(plan.cores[5].large_range, (SizeRange{21, 139'264 + 2731 - 1}));
  EXPECT_EQ(plan.cores[6].large_range, (SizeRange{139'264 + 2731, 139'264 + 5461 - 1}));
  EXPECT_EQ(plan.cores[7].large_range, (SizeRange{139'264 + 5461, kSizeMax}));
}

// 900 * 1 against 50 * 30 = 1500: x = 8 * 900 / 2400 = 3, to the last bit or not.
TEST(SizeController, AWholeNumberOfCoresIsNotRounded) {
  const SizeHistogram epoch = epoch_of({{1, 900}, {30, 50}});
  EXPECT_EQ(plan_of(PolicyKind::kSizeAware, 8, epoch).count(kSmall), 3U);
  EXPECT_EQ(plan_of(PolicyKind::kElastic, 8, epoch).count(kSmall), 3U);
}

// One size carries all large cost, so every cut falls into it; each core has a range all the same.
TEST(SizeController, RangesStayApartWhenOneSizeCarriesTheCost) {
  const CorePlan plan = plan_of(PolicyKind::kSizeAware, 8, epoch_of({{1, 900}, {30, 50}}));
  // Fifths of the 1-byte class of 30 B: 0.2 and 0.4 round to before it, 0.6 and 0.8 to after it.
  ASSERT_EQ(plan.count(kLarge), 5U);
  EXPECT_EQ(plan.cores[3].large_range, (SizeRange{2, 29}));
  EXPECT_EQ(plan.cores[4].large_range, (SizeRange{30, 30}));
  EXPECT_EQ(plan.cores[5].large_range, (SizeRange{31, 31}));
  EXPECT_EQ(plan.cores[6].large_range, (SizeRange{32, 32}));
  EXPECT_EQ(plan.cores[7].large_range, (SizeRange{33, kSizeMax}));
}

// 1000 * 1 against 1 * 30: x = 8 * 1000 / 1030 = 7.77.
TEST(SizeController, ALittleLargeWorkLeavesOneCoreStandingBy) {
  const SizeHistogram epoch = epoch_of({{1, 1000}, {30, 1}});
  const CorePlan size_aware = plan_of(PolicyKind::kSizeAware, 8, epoch);
  EXPECT_EQ(size_aware.count(kSmall), 7U);
  EXPECT_EQ(size_aware.cores[7].role, kStandby);
  EXPECT_EQ(size_aware.cores[7].large_range, (SizeRange{2, kSizeMax}));
  const CorePlan elastic = plan_of(PolicyKind::kElastic, 8, epoch);
  EXPECT_EQ(elastic.count(kSmall), 7U);
  EXPECT_EQ(elastic.cores[7].role, kElastic);
  EXPECT_EQ(elastic.cores[7].large_range, (SizeRange{2, kSizeMax}));
}

TEST(SizeController, OneCoreServesEverything) {
  EXPECT_THAT(roles(plan_of(PolicyKind::kSizeAware, 1, kThreeSizes)), ElementsAre(kStandby));
  EXPECT_THAT(roles(plan_of(PolicyKind::kElastic, 1, kThreeSizes)), ElementsAre(kElastic));
  EXPECT_EQ(plan_of(PolicyKind::kElastic, 1, kThreeSizes).large_core_for(2), CoreId{0});
  EXPECT_EQ(plan_of(PolicyKind::kSizeAware, 1, kThreeSizes).large_core_for(2), CoreId{0});
}

TEST(SizeController, NothingIsLargeWhenAllSizesAreTheSame) {
  for (const PolicyKind policy : {PolicyKind::kSizeAware, PolicyKind::kElastic}) {
    const CorePlan plan = plan_of(policy, 4, epoch_of({{17, 1000}}));
    EXPECT_EQ(plan.threshold_bytes, 17U);
    EXPECT_FALSE(plan.is_large(17));
    EXPECT_DOUBLE_EQ(plan.small_cost_share, 1.0);
    EXPECT_EQ(plan.count(kSmall), 3U);
    EXPECT_EQ(plan.cores[3].large_range, (SizeRange{18, kSizeMax}));
  }
}

TEST(SizeController, TheThresholdIsNeverBelowItsMinimum) {
  ControllerOptions options = options_of(PolicyKind::kElastic, 5);
  options.threshold_min_bytes = 15;
  // Small are 91 * 1 + 4 * 15 = 151 of 271: x = 2.79, 2 reserved; 3 * 20 and 2 * 30 in thirds of
  // 40, cut at 2/3 of 20 B (rounds to all of it) and 1/3 of 30 B (none).
  const CorePlan plan = SizeController(options).next(kThreeSizes, 0);
  EXPECT_EQ(plan.threshold_bytes, 15U);
  EXPECT_DOUBLE_EQ(plan.small_cost_share, 151.0 / 271);
  ASSERT_THAT(roles(plan), ElementsAre(kSmall, kSmall, kElastic, kElastic, kElastic));
  EXPECT_EQ(plan.cores[2].large_range, (SizeRange{16, 20}));
  EXPECT_EQ(plan.cores[3].large_range, (SizeRange{21, 29}));
  EXPECT_EQ(plan.cores[4].large_range, (SizeRange{30, kSizeMax}));
  options.threshold_min_bytes = 8192;  // its class is [8192, 8703]
  EXPECT_EQ(SizeController(options).next(kThreeSizes, 0).threshold_bytes, 8703U);
  options.threshold_min_bytes = 1;  // below what the percentile says
  EXPECT_EQ(SizeController(options).next(kThreeSizes, 0).threshold_bytes, 1U);
}

TEST(SizeController, BeforeAnyRequestEverythingIsSmall) {
  SizeController size_aware(options_of(PolicyKind::kSizeAware, 3));
  const CorePlan first = size_aware.initial();
  EXPECT_EQ(first.version, 0U);
  EXPECT_EQ(first.threshold_bytes, kSizeMax);
  EXPECT_FALSE(first.is_large(kSizeMax));
  EXPECT_THAT(roles(first), ElementsAre(kSmall, kSmall, kStandby));
  SizeController elastic(options_of(PolicyKind::kElastic, 3));
  EXPECT_THAT(roles(elastic.initial()), ElementsAre(kSmall, kSmall, kElastic));
  EXPECT_EQ(SizeController(options_of(PolicyKind::kElastic, 1)).initial().count(kSmall), 0U);
  EXPECT_EQ(SizeController(options_of(PolicyKind::kKeyHash, 3)).initial().count(CoreRole::kAny),
            3U);
  const CorePlan second = size_aware.next(SizeHistogram(), 7);
  EXPECT_EQ(second.version, 8U);
  EXPECT_TRUE(second.same_content(first));
  EXPECT_FALSE(second == first);
}

TEST(SizeController, AnEpochWithoutRequestsChangesNothing) {
  for (const PolicyKind policy :
       {PolicyKind::kSizeAware, PolicyKind::kElastic, PolicyKind::kKeyHash}) {
    SizeController controller(options_of(policy, 5));
    const CorePlan before = controller.next(kThreeSizes, 0);
    EXPECT_TRUE(controller.next(SizeHistogram(), 1).same_content(before));
  }
}

// x = 8 * s / (s + 50 * 30) for s small requests of cost 1. All keep 50 large ones above the
// threshold, which is less than 10 %.
SizeHistogram boundary_epoch(std::uint64_t small) {
  return epoch_of({{1, small}, {30, 50}});
}

TEST(SizeController, SizeAwareKeepsItsRolesNearABoundary) {
  SizeController controller(options_of(PolicyKind::kSizeAware, 8));
  const auto small = [&](std::uint64_t s) {
    return controller.next(boundary_epoch(s), 0).count(kSmall);
  };
  EXPECT_EQ(small(900), 3U);   // x = 3.00
  EXPECT_EQ(small(924), 3U);   // x = 3.05: would be 4
  EXPECT_EQ(small(1000), 4U);  // x = 3.20
  EXPECT_EQ(small(876), 4U);   // x = 2.95: would be 3
  EXPECT_EQ(small(808), 3U);   // x = 2.80
}

TEST(SizeController, ElasticKeepsItsRolesNearABoundary) {
  SizeController controller(options_of(PolicyKind::kElastic, 8));
  const auto small = [&](std::uint64_t s) {
    return controller.next(boundary_epoch(s), 0).count(kSmall);
  };
  EXPECT_EQ(small(900), 3U);   // x = 3.00
  EXPECT_EQ(small(876), 3U);   // x = 2.95: would be 2
  EXPECT_EQ(small(830), 2U);   // x = 2.85
  EXPECT_EQ(small(924), 2U);   // x = 3.05: would be 3
  EXPECT_EQ(small(1000), 3U);  // x = 3.20
}

TEST(SizeController, RolesDoNotFlapAroundABoundary) {
  for (const PolicyKind policy : {PolicyKind::kSizeAware, PolicyKind::kElastic}) {
    SizeController controller(options_of(policy, 8));
    const std::vector<CoreRole> first = roles(controller.next(boundary_epoch(900), 0));
    for (std::uint64_t i = 0; i < 20; ++i) {
      EXPECT_EQ(roles(controller.next(boundary_epoch(i % 2 == 0 ? 924 : 876), i)), first);
    }
  }
}

}  // namespace
}  // namespace minos
