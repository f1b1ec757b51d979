#pragma once

#include <atomic>

#include "base/units.h"

namespace minos {

// Who may receive from an RX queue: any worker, but one at a time.
class alignas(kCacheLineBytes) RxQueueLock {
 public:
  bool try_lock() {
    // The load keeps the line shared while another holds it. Acquire pairs with the release in
    // unlock(): what the last holder left in the queue's rings is seen.
    return !taken_.load(std::memory_order_relaxed) &&
           !taken_.exchange(true, std::memory_order_acquire);
  }
  void unlock() { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};
static_assert(sizeof(RxQueueLock) == kCacheLineBytes);

}  // namespace minos
