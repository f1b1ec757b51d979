#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "store/epochs.h"
#include "store/index.h"
#include "store/large_heap.h"
#include "store/pool.h"

namespace minos::store {

// What was unlinked and waits until no core can have a reference to it. Any thread.
class Limbo {
 public:
  Limbo(Pool& pool, LargeHeap& heap, Index& index, Epochs& epochs)
      : pool_(pool), heap_(heap), index_(index), epochs_(epochs) {}

  // The segment or value must not be reachable any more for a core that starts to look for it.
  void retire(SegmentId id);
  void retire(LargeValue* value);

  // Gives back what nobody can refer to any more. Not eager: leaves it to another core that is at
  // it already.
  void collect(bool eager);

  // Relaxed snapshots.
  bool empty() const { return bytes() == 0 && !index_.has_retired(); }
  std::uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  std::uint32_t segments() const { return segments_.load(std::memory_order_relaxed); }

 private:
  void add(std::uint64_t bytes, std::uint32_t segments) {
    bytes_.store(this->bytes() + bytes, std::memory_order_relaxed);
    segments_.store(this->segments() + segments, std::memory_order_relaxed);
  }

  Pool& pool_;
  LargeHeap& heap_;
  Index& index_;
  Epochs& epochs_;

  std::mutex mutex_;  // guards the lists, oldest first
  SegmentId segment_head_ = kNoSegment;
  SegmentId segment_tail_ = kNoSegment;
  LargeValue* large_head_ = nullptr;
  LargeValue* large_tail_ = nullptr;
  std::atomic<std::uint64_t> bytes_{0};
  std::atomic<std::uint32_t> segments_{0};
};

}  // namespace minos::store
