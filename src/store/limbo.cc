#include "store/limbo.h"

namespace minos::store {

void Limbo::retire(SegmentId id) {
  std::lock_guard lock(mutex_);
  Segment& segment = pool_.segment(id);
  segment.use.store(SegmentUse::kRetired, std::memory_order_relaxed);
  segment.stamp = epochs_.retire();
  segment.next = kNoSegment;
  (segment_tail_ != kNoSegment ? pool_.segment(segment_tail_).next : segment_head_) = id;
  segment_tail_ = id;
  add(kSegmentBytes, 1);
}

void Limbo::retire(LargeValue* value) {
  std::lock_guard lock(mutex_);
  value->stamp = epochs_.retire();
  value->next = nullptr;
  (large_tail_ != nullptr ? large_tail_->next : large_head_) = value;
  large_tail_ = value;
  add(value->value_bytes, 0);
}

void Limbo::collect(bool eager) {
  std::unique_lock lock(mutex_, std::defer_lock);
  if (eager) {
    lock.lock();
  } else if (!lock.try_lock()) {
    return;
  }
  const std::uint64_t oldest = epochs_.oldest();
  if (index_.has_retired()) index_.collect(oldest);
  while (segment_head_ != kNoSegment && pool_.segment(segment_head_).stamp < oldest) {
    const SegmentId id = segment_head_;
    segment_head_ = pool_.segment(id).next;
    if (segment_head_ == kNoSegment) segment_tail_ = kNoSegment;
    add(0 - kSegmentBytes, ~std::uint32_t{0});
    pool_.give(id);
  }
  while (large_head_ != nullptr && large_head_->stamp < oldest) {
    LargeValue* value = large_head_;
    large_head_ = value->next;
    if (large_head_ == nullptr) large_tail_ = nullptr;
    add(0 - value->value_bytes, 0);
    heap_.drop_reference(value);
  }
}

}  // namespace minos::store
