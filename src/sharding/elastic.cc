// Beyond PAPER: every core serves small requests, large work runs in quanta on the cores that are
// not reserved, and idle cores take over connections. A small request waits for at most one
// quantum, and no capacity idles while work waits.

#include <algorithm>

#include "sharding/policies.h"

namespace minos {

namespace {

// What a thief takes in one round, and from how many on it does where it need not. To take a few
// costs both cores as much as to serve them; what it has taken nobody else can have.
// docs/elastic.md has the figures.
constexpr std::uint32_t kStolenRequests = 16;
constexpr std::uint32_t kWorthStealing = 12;

// Large requests that wait for a core, from which on it does not look again before a quantum: it is
// behind.
constexpr std::uint32_t kLargeBacklog = 16;

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

  // After small requests a core looks again, here and elsewhere: a quantum takes the time of many.
  bool may_start_large(const LoadFacts& load, const CorePlan& plan) const override {
    if (plan.role(load.self) != CoreRole::kElastic) return false;
    if (load.served_since_quantum >= kRequestsPerQuantum) return true;
    const bool looks_again = load.datagrams_served != 0 && load.large_waiting < kLargeBacklog;
    return load.small_waiting == 0 && !looks_again;
  }

  bool steals_before_quanta() const override { return true; }

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

  // Whoever serves small requests alone comes to those that wait before long: a thief helps where
  // it shortens more than what taking them costs both. On a core with large work they wait for its
  // quantum.
  RxShare steal_share(CoreId self, CoreId queue_owner, std::uint32_t burst,
                      const CorePlan& plan) const override {
    if (self == queue_owner) return {};
    const bool has_large_work = plan.role(queue_owner) == CoreRole::kElastic;
    return {std::min(kStolenRequests, std::max(burst, 1U)), has_large_work ? 1 : kWorthStealing};
  }
};

}  // namespace

std::unique_ptr<const Policy> make_elastic() {
  return std::make_unique<const Elastic>();
}

}  // namespace minos
