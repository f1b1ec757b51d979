// HKH of PAPER: whoever receives a request serves it, whatever its size. Blind to size on purpose:
// the baseline that the other policies are measured against.

#include "sharding/policies.h"

namespace minos {

namespace {

class KeyHash final : public Policy {
 public:
  PolicyKind kind() const override { return PolicyKind::kKeyHash; }

  Placement place(const RequestFacts& /*facts*/, const CorePlan& /*plan*/) const override {
    return {Placement::Where::kRunNow, CoreId{}};
  }

  bool may_start_large(const LoadFacts& /*load*/, const CorePlan& /*plan*/) const override {
    return true;
  }

  bool serves_small(CoreId /*core*/, const CorePlan& /*plan*/) const override { return true; }

  std::uint32_t offer_to_idle(const LoadFacts& /*load*/, const CorePlan& /*plan*/) const override {
    return 0;
  }

  std::uint32_t rx_quota(CoreId self, CoreId queue_owner, std::uint32_t burst,
                         const CorePlan& /*plan*/) const override {
    return self == queue_owner ? burst : 0;
  }

  RxShare steal_share(CoreId /*self*/, CoreId /*queue_owner*/, std::uint32_t /*burst*/,
                      const CorePlan& /*plan*/) const override {
    return {};
  }
};

}  // namespace

std::unique_ptr<const Policy> make_key_hash() {
  return std::make_unique<const KeyHash>();
}

}  // namespace minos
