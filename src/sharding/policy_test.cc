#include "sharding/policy.h"

#include <gtest/gtest.h>

#include <limits>

#include "sharding/core_plan.h"

namespace minos {
namespace {

using Where = Placement::Where;
constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

CorePlan plan_of(std::vector<CorePlan::Core> cores) {
  CorePlan plan;
  plan.threshold_bytes = 1000;
  plan.cores = std::move(cores);
  return plan;
}

const CorePlan kSizeAwarePlan = plan_of({{CoreRole::kSmall, {}},
                                         {CoreRole::kSmall, {}},
                                         {CoreRole::kSmall, {}},
                                         {CoreRole::kLarge, {1001, 5000}},
                                         {CoreRole::kLarge, {5001, kMax}}});
const CorePlan kStandbyPlan = plan_of({{CoreRole::kSmall, {}}, {CoreRole::kStandby, {1001, kMax}}});
const CorePlan kSingleCorePlan = plan_of({{CoreRole::kStandby, {1001, kMax}}});
const CorePlan kElasticPlan = plan_of({{CoreRole::kSmall, {}},
                                       {CoreRole::kElastic, {1001, 5000}},
                                       {CoreRole::kElastic, {5001, kMax}}});
const CorePlan kKeyHashPlan = plan_of({{CoreRole::kAny, {}}, {CoreRole::kAny, {}}});
const CorePlan kOneAnyPlan = plan_of({{CoreRole::kAny, {}}});

// `first` cores of one role, then `rest` of another.
CorePlan plan_of_two(CoreRole first_role, std::uint16_t first, CoreRole rest_role,
                     std::uint16_t rest) {
  std::vector<CorePlan::Core> cores(first, {first_role, {}});
  cores.resize(std::size_t{first} + rest, {rest_role, {}});
  return plan_of(std::move(cores));
}

RequestFacts request(std::uint16_t core, std::uint64_t value_bytes) {
  return {RequestKind::kRead, 1, value_bytes, CoreId{core}};
}

LoadFacts load(std::uint16_t core, std::uint32_t small, std::uint32_t large,
               std::uint32_t served_since_quantum = 0) {
  return {CoreId{core}, small, large, 0, served_since_quantum};
}

TEST(Policy, NamesReadBack) {
  for (const PolicyKind kind : {PolicyKind::kElastic, PolicyKind::kSizeAware, PolicyKind::kKeyHash,
                                PolicyKind::kSoftwareHandoff, PolicyKind::kWorkStealing}) {
    EXPECT_EQ(policy_kind_from(name_of(kind)), kind);
    EXPECT_EQ(make_policy(kind)->kind(), kind);
  }
  const auto unknown = policy_kind_from("fifo");
  ASSERT_FALSE(unknown.has_value());
  EXPECT_EQ(unknown.error(),
            "no policy is called 'fifo': use one of elastic, size-aware, key-hash, "
            "software-handoff, work-stealing");
  EXPECT_FALSE(policy_kind_from("").has_value());
  EXPECT_EQ(name_of(CoreRole::kStandby), "standby");
  EXPECT_EQ(name_of(CoreRole::kDispatcher), "dispatcher");
  EXPECT_EQ(name_of(CoreRole::kWorker), "worker");
}

TEST(KeyHash, ServesEverythingWhereItArrives) {
  const auto policy = make_policy(PolicyKind::kKeyHash);
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1001}, kMax}) {
    EXPECT_EQ(policy->place(request(1, bytes), kKeyHashPlan).where, Where::kRunNow);
  }
  EXPECT_TRUE(policy->may_start_large(load(0, 9, 9), kKeyHashPlan));
  EXPECT_TRUE(policy->serves_small(CoreId{1}, kKeyHashPlan));
  EXPECT_EQ(policy->offer_to_idle(load(0, 9, 9), kKeyHashPlan), 0U);
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{0}, 32, kKeyHashPlan), 32U);
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{1}, 32, kKeyHashPlan), 0U);
}

TEST(SizeAware, SendsLargeRequestsToTheOwnerOfTheirSize) {
  const auto policy = make_policy(PolicyKind::kSizeAware);
  EXPECT_EQ(policy->place(request(0, 1000), kSizeAwarePlan).where, Where::kRunNow);
  const Placement handed = policy->place(request(0, 1001), kSizeAwarePlan);
  EXPECT_EQ(handed.where, Where::kHandOff);
  EXPECT_EQ(handed.core, CoreId{3});
  EXPECT_EQ(policy->place(request(2, 5001), kSizeAwarePlan).core, CoreId{4});
  EXPECT_EQ(policy->place(request(3, 5000), kSizeAwarePlan).where, Where::kLargeQueue);
  EXPECT_EQ(policy->place(request(4, 5000), kSizeAwarePlan).where, Where::kHandOff);
  EXPECT_EQ(policy->place(request(1, 1001), kStandbyPlan).where, Where::kLargeQueue);
  EXPECT_EQ(policy->place(request(0, 1001), kSingleCorePlan).where, Where::kLargeQueue);
}

TEST(SizeAware, LargeCoresServeNothingElseAndSmallOnesNothingLarge) {
  const auto policy = make_policy(PolicyKind::kSizeAware);
  EXPECT_TRUE(policy->serves_small(CoreId{0}, kSizeAwarePlan));
  EXPECT_FALSE(policy->serves_small(CoreId{3}, kSizeAwarePlan));
  EXPECT_TRUE(policy->serves_small(CoreId{1}, kStandbyPlan));
  EXPECT_FALSE(policy->may_start_large(load(0, 0, 1, 100), kSizeAwarePlan));
  EXPECT_TRUE(policy->may_start_large(load(3, 5, 1), kSizeAwarePlan));
  EXPECT_EQ(policy->offer_to_idle(load(0, 9, 9), kSizeAwarePlan), 0U);
}

TEST(SizeAware, AStandbyCoreSharesItsTimeByQuanta) {
  const auto policy = make_policy(PolicyKind::kSizeAware);
  EXPECT_TRUE(policy->may_start_large(load(1, 0, 1), kStandbyPlan));
  EXPECT_FALSE(policy->may_start_large(load(1, 1, 1), kStandbyPlan));
  EXPECT_TRUE(policy->may_start_large(load(0, 1, 1, kRequestsPerQuantum), kSingleCorePlan));
}

TEST(SizeAware, AllQueuesDrainAtTheSameRate) {
  const auto policy = make_policy(PolicyKind::kSizeAware);
  const auto quota = [&](std::uint16_t self, std::uint16_t owner, std::uint32_t burst) {
    return policy->rx_quota(CoreId{self}, CoreId{owner}, burst, kSizeAwarePlan);
  };
  EXPECT_EQ(quota(0, 0, 32), 32U);
  EXPECT_EQ(quota(0, 1, 32), 0U);
  EXPECT_EQ(quota(3, 3, 32), 0U);
  EXPECT_EQ(quota(4, 0, 32), 0U);
  for (const std::uint16_t large : {std::uint16_t{3}, std::uint16_t{4}}) {  // 32 = 11 + 11 + 10
    EXPECT_EQ(quota(0, large, 32), 11U);
    EXPECT_EQ(quota(1, large, 32), 11U);
    EXPECT_EQ(quota(2, large, 32), 10U);
    for (std::uint16_t self = 0; self < 3; ++self) EXPECT_EQ(quota(self, large, 2), 1U);
  }
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{0}, 32, kStandbyPlan), 32U);
  EXPECT_EQ(policy->rx_quota(CoreId{1}, CoreId{0}, 32, kStandbyPlan), 0U);
  for (std::uint16_t self = 0; self < 2; ++self) {
    EXPECT_EQ(policy->rx_quota(CoreId{self}, CoreId{1}, 32, kStandbyPlan), 16U);
  }
}

TEST(Elastic, KeepsLargeRequestsWhereTheyMayRun) {
  const auto policy = make_policy(PolicyKind::kElastic);
  EXPECT_EQ(policy->place(request(0, 1000), kElasticPlan).where, Where::kRunNow);
  EXPECT_EQ(policy->place(request(2, 1000), kElasticPlan).where, Where::kRunNow);
  EXPECT_EQ(policy->place(request(2, 1001), kElasticPlan).where, Where::kLargeQueue);
  const Placement handed = policy->place(request(0, 5001), kElasticPlan);
  EXPECT_EQ(handed.where, Where::kHandOff);
  EXPECT_EQ(handed.core, CoreId{2});
  for (std::uint16_t i = 0; i < 3; ++i) EXPECT_TRUE(policy->serves_small(CoreId{i}, kElasticPlan));
}

TEST(Elastic, LargeWorkWaitsForSmallButNotForEver) {
  const auto policy = make_policy(PolicyKind::kElastic);
  EXPECT_FALSE(policy->may_start_large(load(0, 0, 1, 100), kElasticPlan));
  EXPECT_TRUE(policy->may_start_large(load(1, 0, 1), kElasticPlan));
  LoadFacts served = load(1, 0, 1, kRequestsPerQuantum - 1);
  served.datagrams_served = 1;
  EXPECT_FALSE(policy->may_start_large(served, kElasticPlan)) << "it looks again first";
  served.large_waiting = 15;
  EXPECT_FALSE(policy->may_start_large(served, kElasticPlan));
  served.large_waiting = 16;
  EXPECT_TRUE(policy->may_start_large(served, kElasticPlan)) << "large requests are behind";
  EXPECT_FALSE(policy->may_start_large(load(1, 7, 1, kRequestsPerQuantum - 1), kElasticPlan));
  EXPECT_TRUE(policy->may_start_large(load(1, 7, 1, kRequestsPerQuantum), kElasticPlan));
}

TEST(Elastic, OffersUpToHalfOfWhatWaits) {
  const auto policy = make_policy(PolicyKind::kElastic);
  EXPECT_EQ(policy->offer_to_idle(load(0, 0, 0), kElasticPlan), 0U);
  EXPECT_EQ(policy->offer_to_idle(load(0, 1, 0), kElasticPlan), 0U);
  EXPECT_EQ(policy->offer_to_idle(load(0, 5, 0), kElasticPlan), 2U);
  EXPECT_EQ(policy->offer_to_idle(load(1, 1, 1), kElasticPlan), 1U);
  EXPECT_EQ(policy->offer_to_idle(load(1, 5, 1), kElasticPlan), 3U);
  EXPECT_EQ(policy->offer_to_idle(load(0, 9, 9), plan_of({{CoreRole::kElastic, {1001, kMax}}})),
            0U);
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{0}, 32, kElasticPlan), 32U);
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{1}, 32, kElasticPlan), 0U);
}

TEST(Elastic, AThiefWaitsForAQueueWhereNoLargeWorkIs) {
  const auto policy = make_policy(PolicyKind::kElastic);
  const auto share = [&](std::uint16_t self, std::uint16_t victim, std::uint32_t burst) {
    return policy->steal_share(CoreId{self}, CoreId{victim}, burst, kElasticPlan);
  };
  ASSERT_EQ(kElasticPlan.role(CoreId{0}), CoreRole::kSmall);
  ASSERT_EQ(kElasticPlan.role(CoreId{1}), CoreRole::kElastic);
  EXPECT_EQ(share(0, 1, 32), (RxShare{16, 1}));
  EXPECT_EQ(share(1, 0, 32), (RxShare{16, 12}));
  EXPECT_EQ(share(1, 0, 2), (RxShare{2, 12}));
  EXPECT_EQ(share(1, 1, 32), RxShare());
}

TEST(SoftwareHandoff, DispatchersGiveAwayAndWorkersRunWhateverItsSize) {
  const auto policy = make_policy(PolicyKind::kSoftwareHandoff);
  const CorePlan plan = plan_of_two(CoreRole::kDispatcher, 2, CoreRole::kWorker, 3);
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1001}, kMax}) {
    for (std::uint16_t core = 0; core < 5; ++core) {
      EXPECT_EQ(policy->place(request(core, bytes), plan).where,
                core < 2 ? Where::kIdleCore : Where::kRunNow)
          << core;
    }
    EXPECT_EQ(policy->place(request(0, bytes), kOneAnyPlan).where, Where::kRunNow);
  }
  for (std::uint16_t core = 0; core < 5; ++core) {
    EXPECT_EQ(policy->serves_small(CoreId{core}, plan), core < 2);
    EXPECT_EQ(policy->may_start_large(load(core, 9, 9), plan), core >= 2);
    EXPECT_EQ(policy->offer_to_idle(load(core, 9, 9), plan), 0U);
  }
  EXPECT_TRUE(policy->serves_small(CoreId{0}, kOneAnyPlan));
  EXPECT_TRUE(policy->may_start_large(load(0, 9, 9), kOneAnyPlan));
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{0}, 32, kOneAnyPlan), 32U);
}

TEST(SoftwareHandoff, EachQueueHasOneDispatcher) {
  const auto policy = make_policy(PolicyKind::kSoftwareHandoff);
  for (std::uint16_t cores = 2; cores <= 9; ++cores) {
    for (std::uint16_t dispatchers = 1; dispatchers < cores; ++dispatchers) {
      const CorePlan plan = plan_of_two(CoreRole::kDispatcher, dispatchers, CoreRole::kWorker,
                                        static_cast<std::uint16_t>(cores - dispatchers));
      for (std::uint16_t queue = 0; queue < cores; ++queue) {
        for (std::uint16_t self = 0; self < cores; ++self) {
          const std::uint32_t wanted = self == queue % dispatchers ? 32 : 0;
          EXPECT_EQ(policy->rx_quota(CoreId{self}, CoreId{queue}, 32, plan), wanted)
              << "core " << self << " of " << cores << ", queue " << queue << ", " << dispatchers
              << " dispatchers";
          EXPECT_EQ(policy->steal_share(CoreId{self}, CoreId{queue}, 32, plan), RxShare());
        }
      }
    }
  }
}

TEST(WorkStealing, RunsEverythingWhereItIs) {
  const auto policy = make_policy(PolicyKind::kWorkStealing);
  for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{1001}, kMax}) {
    EXPECT_EQ(policy->place(request(1, bytes), kKeyHashPlan).where, Where::kRunNow);
  }
  EXPECT_TRUE(policy->may_start_large(load(0, 9, 9), kKeyHashPlan));
  EXPECT_TRUE(policy->serves_small(CoreId{1}, kKeyHashPlan));
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{0}, 32, kKeyHashPlan), 32U);
  EXPECT_EQ(policy->rx_quota(CoreId{0}, CoreId{1}, 32, kKeyHashPlan), 0U);
}

TEST(WorkStealing, OffersHalfOfWhatWaitsBlindToSize) {
  const auto policy = make_policy(PolicyKind::kWorkStealing);
  const std::uint32_t wanted[] = {0, 0, 1, 1, 2, 2, 3};
  for (std::uint32_t small = 0; small < 7; ++small) {
    EXPECT_EQ(policy->offer_to_idle(load(0, small, 0), kKeyHashPlan), wanted[small]);
    EXPECT_EQ(policy->offer_to_idle(load(0, small, 5), kKeyHashPlan), wanted[small]);
  }
  EXPECT_EQ(policy->offer_to_idle(load(0, 9, 0), kOneAnyPlan), 0U);
}

TEST(WorkStealing, AThiefTakesLittleAtATime) {
  const auto policy = make_policy(PolicyKind::kWorkStealing);
  const auto quota = [&](std::uint16_t cores, std::uint16_t victim, std::uint32_t burst) {
    return policy
        ->steal_share(CoreId{0}, CoreId{victim}, burst,
                      plan_of_two(CoreRole::kAny, cores, CoreRole::kAny, 0))
        .requests_max;
  };
  EXPECT_EQ(quota(1, 0, 32), 0U);
  EXPECT_EQ(quota(2, 0, 32), 0U);
  EXPECT_EQ(quota(2, 1, 32), 4U);
  EXPECT_EQ(quota(2, 1, 3), 3U);
  EXPECT_EQ(quota(128, 127, 32), 4U);
}

// Whatever the policy: no queue is left to nobody, and in a round of all cores each gives the same.
TEST(Policy, EveryQueueIsDrainedAtOneRate) {
  struct Case {
    PolicyKind kind;
    CorePlan plan;
  };
  const Case cases[] = {
      {PolicyKind::kElastic, kElasticPlan},
      {PolicyKind::kSizeAware, kSizeAwarePlan},
      {PolicyKind::kSizeAware, kStandbyPlan},
      {PolicyKind::kKeyHash, kKeyHashPlan},
      {PolicyKind::kWorkStealing, kKeyHashPlan},
      {PolicyKind::kSoftwareHandoff, kOneAnyPlan},
      {PolicyKind::kSoftwareHandoff, plan_of_two(CoreRole::kDispatcher, 1, CoreRole::kWorker, 7)},
      {PolicyKind::kSoftwareHandoff, plan_of_two(CoreRole::kDispatcher, 3, CoreRole::kWorker, 5)},
  };
  for (const Case& one : cases) {
    const auto policy = make_policy(one.kind);
    for (std::uint16_t queue = 0; queue < one.plan.core_count(); ++queue) {
      std::uint32_t drained = 0;
      for (std::uint16_t self = 0; self < one.plan.core_count(); ++self) {
        const std::uint32_t quota = policy->rx_quota(CoreId{self}, CoreId{queue}, 32, one.plan);
        drained += quota;
        if (quota != 0) {
          EXPECT_TRUE(policy->serves_small(CoreId{self}, one.plan));
        }
      }
      EXPECT_EQ(drained, 32U) << name_of(one.kind) << ", queue " << queue;
    }
  }
}

}  // namespace
}  // namespace minos
