#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "store/bucket.h"
#include "store/pool.h"

namespace minos::store {

// The number of a page: its offset in the pool in pages.
using PageId = std::uint32_t;
inline constexpr PageId kNoPage = 0;

// Pages for the index, cut from segments. Any thread.
class PagePool {
 public:
  explicit PagePool(Pool& pool) : pool_(pool) {}

  Page* page(PageId id) const {
    return reinterpret_cast<Page*>(pool_.base() + std::uint64_t{id} * sizeof(Page));
  }
  PageId id_of(const Page* page) const {
    return static_cast<PageId>(pool_.offset_of(page) / sizeof(Page));
  }

  // Two empty pages, or false; leaves `keep_segments` free.
  bool take_two(PageId& first, PageId& second, std::uint32_t keep_segments);
  // A page that nobody else has seen.
  void give(PageId id);
  // A page that readers may be in until the epoch is over; its items stay readable.
  void retire(Page* page, std::uint64_t epoch);
  void collect(std::uint64_t oldest_epoch);

  // Relaxed snapshots: hints and reports.
  bool has_retired() const { return retired_.load(std::memory_order_relaxed) != 0; }
  std::uint64_t used() const { return used_.load(std::memory_order_relaxed); }
  std::uint64_t segments() const { return segments_.load(std::memory_order_relaxed); }

 private:
  PageId take(std::uint32_t keep_segments);
  void push_free(PageId id);

  Pool& pool_;
  std::mutex mutex_;               // guards what follows, except for reading the counts
  PageId free_ = kNoPage;          // linked through refs[0] of the first home bucket
  PageId retired_head_ = kNoPage;  // linked through the notes of the stash buckets, oldest first
  PageId retired_tail_ = kNoPage;
  std::atomic<std::uint64_t> retired_{0};
  std::atomic<std::uint64_t> used_{0};
  std::atomic<std::uint64_t> segments_{0};
};

}  // namespace minos::store
