#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/limits.h"
#include "base/units.h"
#include "ring/ring_grid.h"
#include "worker/connection.h"

namespace minos {

// Rings from every producer to every worker: producers are the workers, and one acceptor. Each ring
// has one producing and one consuming thread. Also what a producer must know of a consumer: whether
// it sleeps, and whether it has nothing to do; and who waits for a core that has nothing to do.
class Mesh {
 public:
  using Message = std::unique_ptr<Connection>;

  explicit Mesh(std::uint16_t workers)
      : workers_(workers),
        rings_(static_cast<std::uint16_t>(workers + 1), workers, kMeshRingMessages),
        states_(workers) {}

  // The acceptor's place among the producers.
  std::uint16_t acceptor() const { return workers_; }

  // False when the ring is full: the message stays with the caller.
  bool try_push(std::uint16_t producer, CoreId to, Message& message) {
    if (!rings_.try_push(producer, to.value, message)) return false;
    state(to).connections.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  // Connections that a core owns or that are on their way to it. Relaxed: a gauge for choosing.
  std::uint32_t connections(CoreId core) const {
    return states_[core.value].connections.load(std::memory_order_relaxed);
  }
  void note_gone(CoreId self) { state(self).connections.fetch_sub(1, std::memory_order_relaxed); }

  // At most one message from each producer's ring in turn; null when all are empty.
  Message try_pop(CoreId self) { return rings_.try_pop(self.value).value_or(nullptr); }
  bool empty(CoreId self) const { return rings_.empty(self.value); }

  // A worker that is about to block says so first, then looks at its rings once more; whoever
  // pushes to it exchanges the flag after the push. All accesses but the guess below are
  // read-modify-writes that acquire and release, so they form one order: either the pusher comes
  // later and sees that the worker sleeps, or the worker's exchange reads from the pusher's and the
  // look at the rings sees the push.
  void begin_sleep(CoreId self) { state(self).sleeping.exchange(true, std::memory_order_acq_rel); }
  void end_sleep(CoreId self) { state(self).sleeping.exchange(false, std::memory_order_acq_rel); }

  // A guess, for choosing whom to give work to.
  bool sleeps(CoreId core) const {
    return states_[core.value].sleeping.load(std::memory_order_relaxed);
  }

  // After a push: true when `to` sleeps and this caller is the one to wake it.
  bool must_wake(CoreId to) {
    return state(to).sleeping.exchange(false, std::memory_order_acq_rel);
  }

  // Whether a core has nothing to do, and nothing on its way to it. Only the core itself goes from
  // busy to idle; whoever claims an idle one owes it a connection, and until that has come the core
  // counts as claimed, whatever it says: so nobody else gives it work meanwhile. Relaxed, except
  // for what await_idle() says: what is given to a core passes through a ring.
  //
  // True when it was not known yet.
  bool note_idle(CoreId self) {
    if (state(self).load.load(std::memory_order_relaxed) != Load::kBusy) return false;
    state(self).load.store(Load::kIdle, std::memory_order_relaxed);
    return true;
  }
  void note_busy(CoreId self) {
    Load idle = Load::kIdle;
    if (state(self).load.load(std::memory_order_relaxed) == idle) {
      state(self).load.compare_exchange_strong(idle, Load::kBusy, std::memory_order_relaxed);
    }
  }
  // A connection came from a ring: what was owed has been given.
  void note_arrival(CoreId self) {
    if (state(self).load.load(std::memory_order_relaxed) != Load::kBusy) {
      state(self).load.exchange(Load::kBusy, std::memory_order_relaxed);
    }
  }
  bool claim_idle(CoreId core) {
    Load idle = Load::kIdle;
    return state(core).load.load(std::memory_order_relaxed) == idle &&
           state(core).load.compare_exchange_strong(idle, Load::kClaimed,
                                                    std::memory_order_relaxed);
  }

  // A core that found no idle one says that it waits, then looks once more; a core that becomes
  // idle says so, then takes the flag of each that waits and wakes it. All writes of the flag are
  // read-modify-writes that acquire and release, so they form one order: either the idle core comes
  // later and sees the flag, or the second look sees that it is idle.
  void await_idle(CoreId self) { state(self).awaiting.exchange(true, std::memory_order_acq_rel); }
  void stop_awaiting(CoreId self) {
    if (awaits_idle(self)) state(self).awaiting.exchange(false, std::memory_order_acq_rel);
  }
  bool take_awaiting(CoreId core) {
    return state(core).awaiting.exchange(false, std::memory_order_acq_rel);
  }
  // Relaxed: a guess; but after begin_sleep() a core that waits sees whether it was taken before
  // the must_wake() that came too early to find it asleep.
  bool awaits_idle(CoreId core) const {
    return states_[core.value].awaiting.load(std::memory_order_relaxed);
  }

  std::uint16_t workers() const { return workers_; }

 private:
  enum class Load : std::uint8_t { kBusy, kIdle, kClaimed };
  struct alignas(kCacheLineBytes) State {
    std::atomic<bool> sleeping{false};
    std::atomic<bool> awaiting{false};
    std::atomic<Load> load{Load::kBusy};
    std::atomic<std::uint32_t> connections{0};
  };

  State& state(CoreId core) { return states_[core.value]; }

  std::uint16_t workers_;
  RingGrid<Message> rings_;  // the last producer is the acceptor
  std::vector<State> states_;
};

}  // namespace minos
