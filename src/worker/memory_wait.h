#pragma once

#include <cstdint>
#include <utility>

#include "base/limits.h"
#include "base/units.h"
#include "store/kv_store.h"
#include "worker/worker_stats.h"

namespace minos {

// How long a write has been waiting for memory. One that gets on may wait on; others may for
// kMemoryWaitMax.
class MemoryWait {
 public:
  // Of a write that came to `status`: should it be tried again in a later step?
  bool goes_on(StoreStatus status, const StoreCore& core, Nanos now, WorkerStats& stats) {
    if (status != StoreStatus::kOutOfMemory || !core.memory_is_coming()) {
      restart();
      return false;
    }
    const std::uint64_t progress = core.extension_progress();
    if (std::exchange(extension_progress_, progress) != progress) restart();
    if (since_ == Nanos(0)) since_ = now;
    if (now - since_ > kMemoryWaitMax) {
      restart();
      return false;
    }
    stats.add(Counter::kMemoryWaits);
    return true;
  }

  // It got on, or has what it waited for.
  void restart() { since_ = Nanos(0); }

 private:
  Nanos since_{0};  // 0: it does not wait
  std::uint64_t extension_progress_ = 0;
};

}  // namespace minos
