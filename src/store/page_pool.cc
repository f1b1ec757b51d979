#include "store/page_pool.h"

#include <new>

namespace minos::store {

void PagePool::push_free(PageId id) {
  page(id)->homes[0].refs[0].store(free_, std::memory_order_relaxed);
  free_ = id;
}

PageId PagePool::take(std::uint32_t keep_segments) {
  if (free_ == kNoPage) {
    const SegmentId segment = pool_.take(keep_segments);
    if (segment == kNoSegment) return kNoPage;
    pool_.segment(segment).use.store(SegmentUse::kOther, std::memory_order_relaxed);
    segments_.store(segments() + 1, std::memory_order_relaxed);
    constexpr std::uint32_t kPages = kSegmentBytes / sizeof(Page);
    for (std::uint32_t i = kPages; i > 0; --i) push_free(segment * kPages + i - 1);
  }
  const PageId id = free_;
  free_ = page(id)->homes[0].refs[0].load(std::memory_order_relaxed);
  used_.store(used() + 1, std::memory_order_relaxed);
  return id;
}

bool PagePool::take_two(PageId& first, PageId& second, std::uint32_t keep_segments) {
  {
    std::lock_guard lock(mutex_);
    first = take(keep_segments);
    if (first == kNoPage) return false;
    second = take(keep_segments);
    if (second == kNoPage) {
      push_free(first);
      used_.store(used() - 1, std::memory_order_relaxed);
      return false;
    }
  }
  new (page(first)) Page{};
  new (page(second)) Page{};
  return true;
}

void PagePool::give(PageId id) {
  std::lock_guard lock(mutex_);
  push_free(id);
  used_.store(used() - 1, std::memory_order_relaxed);
}

void PagePool::retire(Page* page_left, std::uint64_t epoch) {
  std::lock_guard lock(mutex_);
  const PageId id = id_of(page_left);
  page_left->stashes[1].set_note(kNoPage);
  page_left->stashes[2].set_note(static_cast<std::uint32_t>(epoch));
  page_left->stashes[3].set_note(static_cast<std::uint32_t>(epoch >> 32));
  if (retired_tail_ == kNoPage) {
    retired_head_ = id;
  } else {
    page(retired_tail_)->stashes[1].set_note(id);
  }
  retired_tail_ = id;
  retired_.store(retired_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void PagePool::collect(std::uint64_t oldest_epoch) {
  std::lock_guard lock(mutex_);
  while (retired_head_ != kNoPage) {
    const PageId id = retired_head_;
    const Page* left = page(id);
    const std::uint64_t epoch = left->stashes[2].note() | std::uint64_t{left->stashes[3].note()}
                                                              << 32;
    if (epoch >= oldest_epoch) return;
    retired_head_ = left->stashes[1].note();
    if (retired_head_ == kNoPage) retired_tail_ = kNoPage;
    retired_.store(retired_.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
    used_.store(used() - 1, std::memory_order_relaxed);
    push_free(id);
  }
}

}  // namespace minos::store
