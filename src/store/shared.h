#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "store/epochs.h"
#include "store/ghost.h"
#include "store/index.h"
#include "store/kv_store.h"
#include "store/large_heap.h"
#include "store/large_queues.h"
#include "store/limbo.h"
#include "store/log.h"
#include "store/pool.h"

namespace minos::store {

// Flushing in constant time: items whose cas id is not above the watermark are gone.
class Flush {
 public:
  // Relaxed, as everything here: an operation that starts after flush_all() returned is ordered
  // behind it by whatever told its caller so.
  std::uint64_t watermark() const { return watermark_.load(std::memory_order_relaxed); }
  std::uint32_t count() const { return count_.load(std::memory_order_relaxed); }
  bool is_due(UnixSeconds now) const {
    const UnixSeconds at = at_.load(std::memory_order_relaxed);
    return at != 0 && now >= at;
  }

  void schedule(UnixSeconds at) {
    std::lock_guard lock(mutex_);
    at_.store(at, std::memory_order_relaxed);
  }
  void apply(std::atomic<std::uint64_t>& next_cas) {
    std::lock_guard lock(mutex_);
    apply_locked(next_cas);
  }
  void apply_if_due(UnixSeconds now, std::atomic<std::uint64_t>& next_cas) {
    std::lock_guard lock(mutex_);
    if (is_due(now)) apply_locked(next_cas);
  }

 private:
  void apply_locked(std::atomic<std::uint64_t>& next_cas) {
    at_.store(0, std::memory_order_relaxed);
    // Takes an id itself: those given out before are below, those after above.
    watermark_.store(next_cas.fetch_add(1, std::memory_order_relaxed), std::memory_order_relaxed);
    count_.store(count() + 1, std::memory_order_relaxed);
  }

  std::mutex mutex_;
  std::atomic<std::uint64_t> watermark_{0};
  std::atomic<UnixSeconds> at_{0};
  std::atomic<std::uint32_t> count_{0};
};

// What all cores share.
struct Shared {
  Shared(const StoreOptions& store_options, std::unique_ptr<Pool> store_pool);

  static std::uint64_t memory_bytes_min(std::uint16_t cores);
  // Gives back a draft that will not be published; nullptr if nothing was allocated for it yet.
  void discard(LargeValue* draft, std::uint64_t value_bytes);

  StoreOptions options;
  std::unique_ptr<Pool> pool;
  Granule granule;
  Epochs epochs;
  LargeHeap heap;
  LargeQueues large_queues;
  Index index;
  Log log;
  Ghost ghost;
  Limbo limbo;
  alignas(kCacheLineBytes) Flush flush;  // read by every operation

  // Segments that only cleaning may take, so that it can always make progress, and how many more
  // are kept free ahead of need.
  std::uint32_t reserve_segments;
  std::uint32_t ahead_segments;
  // How much more than it needs a core frees while what was freed waits for other cores.
  std::uint64_t limbo_slack_bytes;

  alignas(kCacheLineBytes) std::atomic<std::uint64_t> next_cas{1};  // taken in blocks
  std::atomic<std::uint64_t> draft_bytes{0};  // reserved, unpublished; relaxed, a sum under a bound
  std::atomic<std::uint64_t> drafts_refused{0};  // for want of that bound; relaxed, a count
  std::atomic<std::uint32_t> sweep_at{~0U};      // where the next core looks for expired items
  // When the last pass began, 0 to have one now. Relaxed: two cores beginning at once do no harm.
  std::atomic<UnixSeconds> sweep_begun{0};
};

}  // namespace minos::store
