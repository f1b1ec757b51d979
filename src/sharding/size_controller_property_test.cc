// What every plan must keep, for random sizes, core counts and options.

#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "base/limits.h"
#include "base/prng.h"
#include "sharding/size_controller.h"

namespace minos {
namespace {

constexpr std::uint64_t kAnySize = std::numeric_limits<std::uint64_t>::max();

SizeHistogram random_epoch(Prng& prng) {
  SizeHistogram epoch;
  const std::uint64_t kinds = prng.below(20);
  for (std::uint64_t i = 0; i < kinds; ++i) {
    const std::uint64_t bits = prng.below(31);
    epoch.record(prng.below(std::uint64_t{1} << bits), 1 + prng.below(10'000));
  }
  if (prng.below(2) == 0) {
    const std::uint64_t spread = 1 + prng.below(2000);
    for (std::uint64_t i = 0; i < spread; ++i) epoch.record(1500 + prng.below(500'000));
  }
  return epoch;
}

ControllerOptions random_options(Prng& prng, PolicyKind policy) {
  ControllerOptions options;
  options.policy = policy;
  options.cores = static_cast<std::uint16_t>(1 + prng.below(64));
  if (options.cores > 1) {
    options.dispatchers = static_cast<std::uint16_t>(1 + prng.below(options.cores - 1U));
  }
  options.large_percentile = 50 + 49.9 * prng.uniform();
  options.smoothing = prng.below(2) == 0 ? 0.9 : 1.0 - 0.99 * prng.uniform();
  options.cost = prng.below(2) == 0 ? CostUnit::kPackets : CostUnit::kBytes;
  if (prng.below(3) == 0) options.threshold_min_bytes = prng.below(20'000);
  return options;
}

int owners_of(const CorePlan& plan, std::uint64_t value_bytes) {
  int owners = 0;
  for (const CorePlan::Core& core : plan.cores) {
    owners += owns_large(core.role) && core.large_range.min_bytes <= value_bytes &&
              value_bytes <= core.large_range.max_bytes;
  }
  return owners;
}

void expect_sound_ranges(const CorePlan& plan, Prng& prng) {
  std::uint64_t next = plan.threshold_bytes + 1;
  for (const CorePlan::Core& core : plan.cores) {
    if (!owns_large(core.role)) continue;
    ASSERT_EQ(core.large_range.min_bytes, next);
    ASSERT_LE(core.large_range.min_bytes, core.large_range.max_bytes);
    next = core.large_range.max_bytes + 1;
  }
  ASSERT_EQ(next, 0U);  // the last one ends at 2^64 - 1
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t bytes = prng.next() >> prng.below(64);
    if (!plan.is_large(bytes)) continue;
    ASSERT_EQ(owners_of(plan, bytes), 1) << bytes;
    const SizeRange range = plan.cores[plan.large_core_for(bytes).value].large_range;
    ASSERT_TRUE(range.min_bytes <= bytes && bytes <= range.max_bytes) << bytes;
  }
}

// Of policies that do not look at sizes: roles and ranges are always the same.
void expect_fixed_roles(const CorePlan& plan, const ControllerOptions& options) {
  const bool dispatched = options.policy == PolicyKind::kSoftwareHandoff && options.cores > 1;
  ASSERT_EQ(plan.core_count(), options.cores);
  for (std::uint16_t i = 0; i < options.cores; ++i) {
    const CoreRole role = !dispatched               ? CoreRole::kAny
                          : i < options.dispatchers ? CoreRole::kDispatcher
                                                    : CoreRole::kWorker;
    ASSERT_EQ(plan.cores[i], (CorePlan::Core{role, {}})) << i;
  }
}

bool blind(PolicyKind policy) {
  return policy != PolicyKind::kElastic && policy != PolicyKind::kSizeAware;
}

void expect_sound_roles(const CorePlan& plan, const ControllerOptions& options) {
  const std::uint16_t n = options.cores;
  const std::uint16_t small = plan.count(CoreRole::kSmall);
  const std::uint16_t large = plan.count(CoreRole::kLarge);
  const std::uint16_t standby = plan.count(CoreRole::kStandby);
  const std::uint16_t elastic = plan.count(CoreRole::kElastic);
  ASSERT_EQ(plan.core_count(), n);
  ASSERT_GE(plan.small_cost_share, 0.0);
  ASSERT_LE(plan.small_cost_share, 1.0);
  if (blind(options.policy)) {
    ASSERT_NO_FATAL_FAILURE(expect_fixed_roles(plan, options));
    return;
  }
  const double x = n * plan.small_cost_share;
  if (options.policy == PolicyKind::kElastic) {
    ASSERT_EQ(small + elastic, n);
    ASSERT_GE(elastic, 1);
    ASSERT_LE(small, x + kRoleHysteresisCores + 1e-6);
  } else {
    ASSERT_EQ(small + large + standby, n);
    ASSERT_GE(small + standby, 1);
    ASSERT_GE(large + standby, 1);
    ASSERT_LE(standby, 1);
    ASSERT_TRUE(standby == 0 || large == 0);
    ASSERT_GE(small + standby, x - kRoleHysteresisCores - 1e-6);
  }
}

// What is large according to the plan, as a share of the epoch.
double share_above(const SizeHistogram& epoch, const CorePlan& plan) {
  std::uint64_t above = 0;
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    if (plan.is_large(upper_bytes(i))) above += epoch.count(i);
  }
  return static_cast<double>(above) / static_cast<double>(epoch.count());
}

TEST(SizeControllerProperty, EveryPlanIsSound) {
  for (const PolicyKind policy :
       {PolicyKind::kSizeAware, PolicyKind::kElastic, PolicyKind::kKeyHash,
        PolicyKind::kSoftwareHandoff, PolicyKind::kWorkStealing}) {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
      SCOPED_TRACE(testing::Message() << name_of(policy) << " seed " << seed);
      Prng prng(seed);
      const ControllerOptions options = random_options(prng, policy);
      SizeController controller(options);
      CorePlan plan = controller.initial();
      ASSERT_NO_FATAL_FAILURE(expect_sound_roles(plan, options));
      bool first = true;
      for (int i = 0; i < 6; ++i) {
        const SizeHistogram epoch = random_epoch(prng);
        const CorePlan next = controller.next(epoch, plan.version);
        ASSERT_EQ(next.version, plan.version + 1);
        if (epoch.count() == 0) {
          ASSERT_TRUE(next.same_content(plan));
        }
        plan = next;
        ASSERT_NO_FATAL_FAILURE(expect_sound_roles(plan, options));
        ASSERT_GE(plan.threshold_bytes, options.threshold_min_bytes);
        if (plan.threshold_bytes == kAnySize) continue;
        if (!blind(policy)) {
          ASSERT_NO_FATAL_FAILURE(expect_sound_ranges(plan, prng));
        }
        if (epoch.count() != 0 && (first || options.smoothing == 1.0)) {
          ASSERT_LE(share_above(epoch, plan), 1 - options.large_percentile / 100 + 1e-6);
          first = false;
        }
      }
    }
  }
}

// Smooth sizes can be cut well: no core's range carries much more than its part of the cost. The
// largest size ends a class, since a class that is half empty is cut as if it were full.
TEST(SizeControllerProperty, RangesCarryEqualCost) {
  for (std::uint16_t cores = 4; cores <= 64; cores = static_cast<std::uint16_t>(cores * 2)) {
    SCOPED_TRACE(cores);
    Prng prng(cores);
    ControllerOptions options;
    options.policy = PolicyKind::kElastic;
    options.cores = cores;
    options.cost = CostUnit::kBytes;
    std::vector<std::uint64_t> large;
    SizeHistogram epoch;
    for (int i = 0; i < 100'000; ++i) {
      large.push_back(1536 + prng.below(507'904 - 1536));
      epoch.record(large.back());
    }
    epoch.record(100, 100'000 * 99);
    const CorePlan plan = SizeController(options).next(epoch, 0);
    ASSERT_EQ(plan.threshold_bytes, upper_bytes(size_class_of(100)));
    std::vector<double> cost(cores);
    double total = 0;
    for (const std::uint64_t bytes : large) {
      cost[plan.large_core_for(bytes).value] += static_cast<double>(bytes);
      total += static_cast<double>(bytes);
    }
    const double part = total / plan.count(CoreRole::kElastic);
    for (std::uint16_t i = plan.count(CoreRole::kSmall); i < cores; ++i) {
      EXPECT_NEAR(cost[i] / part, 1.0, 0.15) << i;
    }
  }
}

}  // namespace
}  // namespace minos
