#pragma once

#include <string_view>

#include "store/kv_store.h"
#include "worker/worker_stats.h"

// What goes with a write of a value that is not tried again, whatever protocol it came by.
namespace minos {

inline void count_stored(WorkerStats& stats, StoreMode mode, StoreStatus status) {
  if (mode == StoreMode::kCas) {
    stats.add(status == StoreStatus::kStored   ? Counter::kCasHits
              : status == StoreStatus::kExists ? Counter::kCasBadval
                                               : Counter::kCasMisses);
  }
  if (status == StoreStatus::kTooLarge) stats.add(Counter::kTooLarge);
  if (status == StoreStatus::kOutOfMemory) stats.add(Counter::kOutOfMemory);
}

// A set that is refused leaves no older value to be served.
inline void drop_refused(StoreCore& core, StoreMode mode, StoreStatus status, std::string_view key,
                         std::uint64_t key_hash, Now now) {
  const bool refused = status == StoreStatus::kTooLarge || status == StoreStatus::kOutOfMemory;
  if (refused && mode == StoreMode::kSet) core.remove(key, key_hash, now);
}

}  // namespace minos
