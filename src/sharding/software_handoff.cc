// SHO of PAPER: dispatchers receive everything and execute nothing; each request goes to a worker
// that has nothing to do, and waits at its dispatcher until there is one. Blind to size: a worker
// runs what it was given to completion.

#include "sharding/policies.h"

namespace minos {

namespace {

class SoftwareHandoff final : public Policy {
 public:
  PolicyKind kind() const override { return PolicyKind::kSoftwareHandoff; }

  Placement place(const RequestFacts& facts, const CorePlan& plan) const override {
    const bool dispatcher = plan.role(facts.arrival_core) == CoreRole::kDispatcher;
    return {dispatcher ? Placement::Where::kIdleCore : Placement::Where::kRunNow,
            facts.arrival_core};
  }

  bool may_start_large(const LoadFacts& load, const CorePlan& plan) const override {
    return plan.role(load.self) != CoreRole::kDispatcher;
  }

  bool serves_small(CoreId core, const CorePlan& plan) const override {
    return plan.role(core) != CoreRole::kWorker;
  }

  std::uint32_t offer_to_idle(const LoadFacts& /*load*/, const CorePlan& /*plan*/) const override {
    return 0;
  }

  // Queue i belongs to dispatcher i mod K, which takes as much from each of its queues.
  std::uint32_t rx_quota(CoreId self, CoreId queue_owner, std::uint32_t burst,
                         const CorePlan& plan) const override {
    switch (plan.role(self)) {
      case CoreRole::kWorker:
        return 0;
      case CoreRole::kDispatcher:
        return queue_owner.value % plan.count(CoreRole::kDispatcher) == self.value ? burst : 0;
      default:
        return self == queue_owner ? burst : 0;
    }
  }

  RxShare steal_share(CoreId /*self*/, CoreId /*queue_owner*/, std::uint32_t /*burst*/,
                      const CorePlan& /*plan*/) const override {
    return {};
  }
};

}  // namespace

std::unique_ptr<const Policy> make_software_handoff() {
  return std::make_unique<const SoftwareHandoff>();
}

}  // namespace minos
