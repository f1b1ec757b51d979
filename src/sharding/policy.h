#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "base/units.h"
#include "sharding/core_plan.h"

namespace minos {

enum class PolicyKind : std::uint8_t {
  kElastic,
  kSizeAware,
  kKeyHash,
  kSoftwareHandoff,
  kWorkStealing,
};

std::string_view name_of(PolicyKind kind);
// Error: a sentence that names the value and the allowed ones.
std::expected<PolicyKind, std::string> policy_kind_from(std::string_view name);

enum class RequestKind : std::uint8_t { kRead, kWrite };

// What a policy may know of a request when it is placed. For a read, the size comes from the
// look-up; for a write, from its header.
struct RequestFacts {
  RequestKind kind = RequestKind::kRead;
  std::uint64_t key_hash = 0;
  std::uint64_t value_bytes = 0;
  CoreId arrival_core;
};

struct Placement {
  enum class Where : std::uint8_t {
    kRunNow,      // here, to completion
    kLargeQueue,  // here, in quanta, when may_start_large() allows
    kHandOff,     // on `core`
    kIdleCore,    // on the first worker that has nothing to do; it waits here until there is one
  };
  Where where = Where::kRunNow;
  CoreId core;  // of kHandOff
};

// What a worker knows of itself when it asks what to do next.
struct LoadFacts {
  CoreId self;
  std::uint32_t small_waiting = 0;  // requests or ready connections not served yet
  std::uint32_t large_waiting = 0;
  // In the round under way. Of streams there is no such count: to look again costs a system call.
  std::uint32_t datagrams_served = 0;
  // Requests, those of the round under way among them, served while large work waited and since it
  // last got a quantum. A round without any counts as one.
  std::uint32_t served_since_quantum = 0;
};

// Large work that shares a core with small requests gets a quantum after this many of them in any
// case. Under more small load than a core can serve, it progresses, and costs small requests at
// most one quantum every 128.
inline constexpr std::uint32_t kRequestsPerQuantum = 128;

// Of an RX queue, what a core may take in one round.
struct RxShare {
  std::uint32_t requests_max = 0;
  std::uint32_t waiting_min = 1;  // while fewer wait there they are left to others
  friend bool operator==(const RxShare&, const RxShare&) = default;
};

// How requests are given to cores. Pure: no state, no clock; the plan is the only memory. Shared by
// all cores.
class Policy {
 public:
  virtual ~Policy() = default;

  virtual PolicyKind kind() const = 0;
  virtual Placement place(const RequestFacts& facts, const CorePlan& plan) const = 0;

  // May this core spend one quantum on large work now?
  virtual bool may_start_large(const LoadFacts& load, const CorePlan& plan) const = 0;

  // May this core own connections that send small requests?
  virtual bool serves_small(CoreId core, const CorePlan& plan) const = 0;

  // How many of its ready connections a busy core should offer to one idle core now; 0 under
  // policies that bind early.
  virtual std::uint32_t offer_to_idle(const LoadFacts& load, const CorePlan& plan) const = 0;

  // Requests to take from the RX queue of `queue_owner` in one round, out of a burst of `burst`. It
  // depends on nothing but the plan: ask when a plan is adopted, not in every round.
  virtual std::uint32_t rx_quota(CoreId self, CoreId queue_owner, std::uint32_t burst,
                                 const CorePlan& plan) const = 0;

  // May a core that has large work take from RX queues of others, as one without work may?
  virtual bool steals_before_quanta() const { return false; }

  // What a core without work of its own may take from the RX queue of `queue_owner`; nothing under
  // policies that bind early. Depends on nothing but the plan, as rx_quota().
  virtual RxShare steal_share(CoreId self, CoreId queue_owner, std::uint32_t burst,
                              const CorePlan& plan) const = 0;
};

std::unique_ptr<const Policy> make_policy(PolicyKind kind);

}  // namespace minos
