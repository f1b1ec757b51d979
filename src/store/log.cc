#include "store/log.h"

#include <algorithm>

#include "base/check.h"

namespace minos::store {

void Log::open(SegmentId id, Queue queue, std::uint32_t flushes) {
  Segment& segment = pool_.segment(id);
  segment.live_bytes.store(0, std::memory_order_relaxed);
  segment.first_expiry.store(~std::uint32_t{0}, std::memory_order_relaxed);
  segment.queue.store(queue, std::memory_order_relaxed);
  segment.used_bytes = 0;
  segment.cleaned_bytes = 0;
  segment.swept_flush.store(flushes, std::memory_order_relaxed);
  segment.stamp = stamp(kSegmentBytes);
  segment.use.store(SegmentUse::kOpen, std::memory_order_relaxed);
  list_of(segment).segments.fetch_add(1, std::memory_order_relaxed);
}

void Log::seal(SegmentId id, std::uint32_t used_bytes) {
  std::lock_guard lock(mutex_);
  Segment& segment = pool_.segment(id);
  List& list = list_of(segment);
  segment.used_bytes = used_bytes;
  segment.next = kNoSegment;
  segment.prev = list.tail;
  (list.tail != kNoSegment ? pool_.segment(list.tail).next : list.head) = id;
  list.tail = id;
  segment.use.store(SegmentUse::kSealed, std::memory_order_relaxed);
}

void Log::put_back(SegmentId id) {
  std::lock_guard lock(mutex_);
  Segment& segment = pool_.segment(id);
  List& list = list_of(segment);
  segment.prev = kNoSegment;
  segment.next = list.head;
  (list.head != kNoSegment ? pool_.segment(list.head).prev : list.tail) = id;
  list.head = id;
  segment.use.store(SegmentUse::kSealed, std::memory_order_relaxed);
}

void Log::forget(SegmentId id) {
  list_of(pool_.segment(id)).segments.fetch_sub(1, std::memory_order_relaxed);
}

void Log::unlink(SegmentId id) {
  Segment& segment = pool_.segment(id);
  List& list = list_of(segment);
  (segment.prev != kNoSegment ? pool_.segment(segment.prev).next : list.head) = segment.next;
  (segment.next != kNoSegment ? pool_.segment(segment.next).prev : list.tail) = segment.prev;
  segment.use.store(SegmentUse::kVictim, std::memory_order_relaxed);
}

SegmentId Log::claim_oldest(Queue queue) {
  std::lock_guard lock(mutex_);
  SegmentId id = lists_[static_cast<std::size_t>(queue)].head;
  while (id != kNoSegment &&
         pool_.segment(id).use.load(std::memory_order_relaxed) == SegmentUse::kSwept) {
    id = pool_.segment(id).next;
  }
  if (id != kNoSegment) unlink(id);
  return id;
}

bool Log::begin_sweep(SegmentId id) {
  std::lock_guard lock(mutex_);
  Segment& segment = pool_.segment(id);
  if (segment.use.load(std::memory_order_relaxed) != SegmentUse::kSealed) return false;
  segment.use.store(SegmentUse::kSwept, std::memory_order_relaxed);
  return true;
}

void Log::end_sweep(SegmentId id) {
  std::lock_guard lock(mutex_);
  pool_.segment(id).use.store(SegmentUse::kSealed, std::memory_order_relaxed);
}

std::uint32_t Log::dead_bytes(const Segment& segment) const {
  const std::uint32_t live = segment.live_bytes.load(std::memory_order_relaxed);
  return segment.used_bytes > live ? segment.used_bytes - live : 0;
}

SegmentId Log::claim_deadest(std::uint32_t dead_bytes_min, std::uint32_t scan_max) {
  std::lock_guard lock(mutex_);
  SegmentId deadest = kNoSegment;
  std::uint32_t most = dead_bytes_min;
  for (std::uint32_t i = std::min(scan_max, pool_.segments()); i > 0; --i) {
    if (++scan_at_ >= pool_.segments()) scan_at_ = 0;
    const Segment& segment = pool_.segment(scan_at_);
    if (segment.use.load(std::memory_order_relaxed) != SegmentUse::kSealed) continue;
    const std::uint32_t dead = dead_bytes(segment);
    if (dead < most) continue;
    most = dead;
    deadest = scan_at_;
  }
  if (deadest != kNoSegment) unlink(deadest);
  return deadest;
}

std::uint64_t Log::oldest_stamp(Queue queue) {
  std::lock_guard lock(mutex_);
  const SegmentId id = lists_[static_cast<std::size_t>(queue)].head;
  return id != kNoSegment ? pool_.segment(id).stamp : ~std::uint64_t{0};
}

}  // namespace minos::store
