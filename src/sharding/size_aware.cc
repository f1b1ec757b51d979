// Minos of PAPER: small cores serve small requests to completion and never wait behind large ones;
// each large request goes to the one core that owns its size.

#include <algorithm>

#include "sharding/policies.h"

namespace minos {

namespace {

bool drains_network(CoreRole role) {
  return role == CoreRole::kSmall || role == CoreRole::kStandby;
}

// Of the queue of a core that does large work, a stand-by core's too: burst / n_s, the first
// burst % n_s cores taking one more, so that all small cores together take exactly `burst` and
// every queue drains at the same rate. With more small cores than `burst` each takes 1: such a
// queue may drain faster, which only ever shortens it.
std::uint32_t share_of_large_queue(CoreId self, std::uint32_t burst, const CorePlan& plan) {
  std::uint32_t drainers = 0;
  std::uint32_t before_self = 0;
  for (std::uint16_t i = 0; i < plan.core_count(); ++i) {
    if (!drains_network(plan.cores[i].role)) continue;
    ++drainers;
    if (i < self.value) ++before_self;
  }
  const std::uint32_t quota = burst / drainers + (before_self < burst % drainers ? 1 : 0);
  return std::max(quota, 1U);
}

class SizeAware final : public Policy {
 public:
  PolicyKind kind() const override { return PolicyKind::kSizeAware; }

  Placement place(const RequestFacts& facts, const CorePlan& plan) const override {
    if (!plan.is_large(facts.value_bytes)) return {Placement::Where::kRunNow, facts.arrival_core};
    const CoreId owner = plan.large_core_for(facts.value_bytes);
    if (owner == facts.arrival_core) return {Placement::Where::kLargeQueue, owner};
    return {Placement::Where::kHandOff, owner};
  }

  // PAPER's stand-by core turns to large requests altogether. Ours goes on serving small ones in
  // between, since a quantum delays them by little and a single core has nobody to leave them to.
  bool may_start_large(const LoadFacts& load, const CorePlan& plan) const override {
    const CoreRole role = plan.role(load.self);
    return role == CoreRole::kLarge ||
           (role == CoreRole::kStandby &&
            (load.small_waiting == 0 || load.served_since_quantum >= kRequestsPerQuantum));
  }

  bool serves_small(CoreId core, const CorePlan& plan) const override {
    return drains_network(plan.role(core));
  }

  std::uint32_t offer_to_idle(const LoadFacts& /*load*/, const CorePlan& /*plan*/) const override {
    return 0;
  }

  std::uint32_t rx_quota(CoreId self, CoreId queue_owner, std::uint32_t burst,
                         const CorePlan& plan) const override {
    if (!drains_network(plan.role(self))) return 0;
    if (plan.role(queue_owner) == CoreRole::kSmall) return self == queue_owner ? burst : 0;
    return share_of_large_queue(self, burst, plan);
  }

  RxShare steal_share(CoreId /*self*/, CoreId /*queue_owner*/, std::uint32_t /*burst*/,
                      const CorePlan& /*plan*/) const override {
    return {};
  }
};

}  // namespace

std::unique_ptr<const Policy> make_size_aware() {
  return std::make_unique<const SizeAware>();
}

}  // namespace minos
