// HKH+WS of PAPER: as key-hash, and a core without work of its own takes requests that wait
// elsewhere. Blind to size: whoever takes a request runs it to completion.

#include <algorithm>

#include "sharding/policies.h"

namespace minos {

namespace {

// What a thief takes in one round. Any of it may be large, and then the rest waits behind it, as
// nobody steals from a thief: so it takes little and comes again soon.
constexpr std::uint32_t kStolenRequests = 4;

class WorkStealing final : public Policy {
 public:
  PolicyKind kind() const override { return PolicyKind::kWorkStealing; }

  Placement place(const RequestFacts& facts, const CorePlan& /*plan*/) const override {
    return {Placement::Where::kRunNow, facts.arrival_core};
  }

  bool may_start_large(const LoadFacts& /*load*/, const CorePlan& /*plan*/) const override {
    return true;
  }

  bool serves_small(CoreId /*core*/, const CorePlan& /*plan*/) const override { return true; }

  // Half of what waits, so that both cores are done at the same time if sizes are alike. Unlike
  // elastic it does not ask what else the core has to do: that would be to know sizes.
  std::uint32_t offer_to_idle(const LoadFacts& load, const CorePlan& plan) const override {
    return plan.core_count() < 2 ? 0 : load.small_waiting / 2;
  }

  std::uint32_t rx_quota(CoreId self, CoreId queue_owner, std::uint32_t burst,
                         const CorePlan& /*plan*/) const override {
    return self == queue_owner ? burst : 0;
  }

  RxShare steal_share(CoreId self, CoreId queue_owner, std::uint32_t burst,
                      const CorePlan& /*plan*/) const override {
    if (self == queue_owner) return {};
    return {std::min(kStolenRequests, std::max(burst, 1U))};
  }
};

}  // namespace

std::unique_ptr<const Policy> make_work_stealing() {
  return std::make_unique<const WorkStealing>();
}

}  // namespace minos
