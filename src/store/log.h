#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "store/pool.h"
#include "store/record.h"

namespace minos::store {

// The segments of records: which are sealed, in what order, and which one to clean next.
//
// Any core, under one mutex that is taken a few times per segment.
class Log {
 public:
  explicit Log(Pool& pool) : pool_(pool) {}

  // Position in time, counted in bytes stored: says which of two queues has the older head.
  std::uint64_t stamp(std::uint64_t bytes) {
    // Relaxed: an estimate of age, it orders nothing.
    return clock_.fetch_add(bytes, std::memory_order_relaxed);
  }

  // A segment just taken from the pool becomes some core's open one.
  void open(SegmentId id, Queue queue, std::uint32_t flushes);
  // From then on anybody may clean it.
  void seal(SegmentId id, std::uint32_t used_bytes);
  // Gives a victim back unfinished; it is the first to be cleaned next time.
  void put_back(SegmentId id);
  // A victim that was claimed is empty of live records; the caller retires it.
  void forget(SegmentId id);

  // The oldest sealed segment of a queue becomes the caller's to clean, kNoSegment if there is
  // none.
  SegmentId claim_oldest(Queue queue);
  // The segment with the most dead bytes among the next few that were not looked at for longest,
  // if at least `dead_bytes_min` of it are. `scan_max` bounds how many are looked at.
  SegmentId claim_deadest(std::uint32_t dead_bytes_min, std::uint32_t scan_max);

  // Keeps a sealed segment in its place, but from being cleaned; false if it is not sealed.
  bool begin_sweep(SegmentId id);
  void end_sweep(SegmentId id);

  std::uint64_t oldest_stamp(Queue queue);
  // Relaxed snapshot.
  std::uint32_t segments(Queue queue) const {
    return lists_[static_cast<std::size_t>(queue)].segments.load(std::memory_order_relaxed);
  }
  std::uint32_t segments() const { return segments(Queue::kSmall) + segments(Queue::kMain); }

 private:
  struct List {
    SegmentId head = kNoSegment;
    SegmentId tail = kNoSegment;
    std::atomic<std::uint32_t> segments{0};  // sealed, open and being cleaned
  };

  List& list_of(const Segment& segment) {
    return lists_[static_cast<std::size_t>(segment.queue.load(std::memory_order_relaxed))];
  }
  void unlink(SegmentId id);
  std::uint32_t dead_bytes(const Segment& segment) const;

  Pool& pool_;
  std::atomic<std::uint64_t> clock_{0};
  std::mutex mutex_;  // guards the lists and the plain fields of segments in them
  std::array<List, kQueues> lists_;
  SegmentId scan_at_ = 0;
};

}  // namespace minos::store
