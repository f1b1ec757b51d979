#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/limits.h"
#include "base/units.h"
#include "ring/spsc_ring.h"
#include "worker/connection.h"

namespace minos {

// Rings from every producer to every worker: producers are the workers, and one acceptor. Each ring
// has one producing and one consuming thread. Also what a producer must know of a consumer: whether
// it sleeps, and whether it has nothing to do.
class Mesh {
 public:
  using Message = std::unique_ptr<Connection>;

  explicit Mesh(std::uint16_t workers);

  // The acceptor's place among the producers.
  std::uint16_t acceptor() const { return workers_; }

  // False when the ring is full: the message stays with the caller.
  bool try_push(std::uint16_t producer, CoreId to, Message& message) {
    if (!ring(producer, to).try_push(std::move(message))) return false;
    state(to).connections.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  // Connections that a core owns or that are on their way to it. Relaxed: a gauge for choosing.
  std::uint32_t connections(CoreId core) const {
    return states_[core.value].connections.load(std::memory_order_relaxed);
  }
  void note_gone(CoreId self) { state(self).connections.fetch_sub(1, std::memory_order_relaxed); }

  // At most one message from each producer's ring in turn; null when all are empty.
  Message try_pop(CoreId self);
  bool empty(CoreId self) const;

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

  // A hint, set by a worker that polls and finds nothing, cleared when it finds something or is
  // offered work. Relaxed: a wrong guess costs one hand-off.
  void set_idle(CoreId self, bool idle) {
    if (state(self).idle.load(std::memory_order_relaxed) != idle) {
      state(self).idle.store(idle, std::memory_order_relaxed);
    }
  }
  bool claim_idle(CoreId core) {
    return state(core).idle.load(std::memory_order_relaxed) &&
           state(core).idle.exchange(false, std::memory_order_relaxed);
  }

  std::uint16_t workers() const { return workers_; }

 private:
  struct alignas(kCacheLineBytes) State {
    std::atomic<bool> sleeping{false};
    std::atomic<bool> idle{false};
    std::atomic<std::uint32_t> connections{0};
    std::uint16_t next_producer = 0;  // consumer only
  };

  SpscRing<Message>& ring(std::uint16_t producer, CoreId to) {
    return *rings_[std::size_t{producer} * workers_ + to.value];
  }
  const SpscRing<Message>& ring(std::uint16_t producer, CoreId to) const {
    return *rings_[std::size_t{producer} * workers_ + to.value];
  }
  State& state(CoreId core) { return states_[core.value]; }

  std::uint16_t workers_;
  std::vector<std::unique_ptr<SpscRing<Message>>> rings_;
  std::vector<State> states_;
};

}  // namespace minos
