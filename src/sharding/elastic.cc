// Beyond PAPER: every core serves small requests, large work runs in quanta on the cores that are
// not reserved, and idle cores take over connections. A small request waits for at most one
// quantum, and no capacity idles while work waits.

#include <algorithm>

#include "sharding/policies.h"

namespace minos {

namespace {

class Elastic final : public Policy {
 public:
  PolicyKind kind() const override { return PolicyKind::kElastic; }

  // A large request stays where it arrived if it can, whatever its size: large_range only spreads
  // what the reserved cores must pass on.
  Placement place(const RequestFacts& facts, const CorePlan& plan) const override {
    if (!plan.is_large(facts.value_bytes)) return {Placement::Where::kRunNow, facts.arrival_core};
    if (plan.role(facts.arrival_core) == CoreRole::kElastic) {
      return {Placement::Where::kLargeQueue, facts.arrival_core};
    }
    return {Placement::Where::kHandOff, plan.large_core_for(facts.value_bytes)};
  }

  bool may_start_large(const LoadFacts& load, const CorePlan& plan) const override {
    return plan.role(load.self) == CoreRole::kElastic && large_turn(load);
  }

  bool serves_small(CoreId /*core*/, const CorePlan& /*plan*/) const override { return true; }

  // Half of what waits, so that both cores are done at the same time. A single waiting connection
  // stays, as this core gets to it first, unless large work may run before it.
  std::uint32_t offer_to_idle(const LoadFacts& load, const CorePlan& plan) const override {
    if (plan.core_count() < 2) return 0;
    return load.small_waiting / 2 + (load.large_waiting != 0 ? load.small_waiting % 2 : 0);
  }

  std::uint32_t rx_quota(CoreId self, CoreId queue_owner, std::uint32_t burst,
                         const CorePlan& /*plan*/) const override {
    return self == queue_owner ? burst : 0;
  }

  // Half of what a burst is: those that come first go on being served where they are.
  std::uint32_t steal_quota(CoreId self, CoreId queue_owner, std::uint32_t burst,
                            const CorePlan& /*plan*/) const override {
    return self == queue_owner ? 0 : std::max(burst / 2, 1U);
  }
};

}  // namespace

std::unique_ptr<const Policy> make_elastic() {
  return std::make_unique<const Elastic>();
}

}  // namespace minos
