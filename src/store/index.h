#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string_view>

#include "store/bucket.h"
#include "store/epochs.h"
#include "store/page_pool.h"
#include "store/pool.h"

namespace minos::store {

// From key to record: a directory of pages by the low bits of the hash, a home bucket in the page
// by its high bits. A page that is full is split; nothing else ever moves an item to another slot.
//
// Invariants:
// 1. A key is in at most one slot of the page that the directory names for it.
// 2. Every write of a key happens under the lock bit of its home bucket.
// 3. A page is replaced, never changed, by a split: while its locks are held its items are copied
//    to two new pages, these are published, and it is left behind as it was.
//
// Readers do not lock and do not validate. A hit is linearized where it loads the ref: a slot
// names the current record of its key for as long as it is filled. A miss: as no item changes its
// slot, one that was there all the time would have been seen; so at some point in between it was
// absent. In a page that was split meanwhile: where its successors were published, at which time
// the page left behind said the truth, and which lies between the reader's look at the directory
// and its end.
class Index {
 public:
  enum class Grown : std::uint8_t {
    kDone,      // room was made, by us or by another core: look again
    kNoMemory,  // none for pages
    kAtLimit,   // more pages would not help: the hashes are too much alike
  };

  // The exclusive right to write the keys of one home bucket.
  struct Home {
    Page* page = nullptr;
    std::uint32_t number = 0;
    Bucket& bucket() const { return page->homes[number]; }
  };
  struct Slot {
    Bucket* bucket = nullptr;  // nullptr = not there
    std::uint32_t number = 0;
    explicit operator bool() const { return bucket != nullptr; }
    Ref ref() const { return bucket->ref(number); }
  };

  Index(Pool& pool, Epochs& epochs, Granule granule);
  ~Index();
  // Makes the first page; false if there is no memory.
  bool open();

  Record record(Ref ref) const { return Record(base_ + (std::uint64_t{ref} << shift_)); }

  const Bucket* home_bucket(std::uint64_t hash) const {
    return &page_of(hash)->homes[home_of(hash)];
  }
  // What the home bucket leads to, that is: the header and the key of each item that may be the one
  // looked for; the stash if there is none. Returns the first such item, 0 if there is none.
  Ref prefetch_match(const Bucket& home, std::uint64_t hash, std::size_t key_bytes) const;

  // The record of the key as it is now, 0 if there is none.
  Ref find(std::string_view key, std::uint64_t hash) const;

  Home lock(std::uint64_t hash);
  void unlock(const Home& home);
  Slot find(const Home& home, std::string_view key, std::uint64_t hash) const;
  Slot find(const Home& home, Ref wanted, std::uint64_t hash) const;
  // The large value's record.
  Slot find_large(const Home& home, std::uint32_t unit, std::uint64_t hash) const;
  // The least used item in the bucket of this home.
  Slot least_used(const Home& home) const;
  void replace(const Slot& slot, Ref ref) { slot.bucket->publish(slot.number, ref); }
  bool insert(const Home& home, std::uint64_t hash, Ref ref);
  bool has_room(const Home& home) const;
  void erase(const Home& home, const Slot& slot);

  // Splits the page of this hash. No lock may be held.
  Grown grow(std::uint64_t hash, std::uint32_t keep_segments);

  // Frees pages left behind that nobody reads any more.
  void collect(std::uint64_t oldest_epoch) { pages_.collect(oldest_epoch); }
  bool has_retired() const { return pages_.has_retired(); }

  std::uint64_t pages() const { return pages_.used(); }
  std::uint64_t bytes() const { return pages_.segments() * kSegmentBytes + directory_bytes(); }
  std::uint64_t directory_bytes() const { return directory_bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::uint32_t kDepthMax = 30;

  static std::uint32_t home_of(std::uint64_t hash) {
    return static_cast<std::uint32_t>(((hash >> 32) * Page::kHomes) >> 32);
  }
  static std::uint8_t tag_of(std::uint64_t hash) {
    const auto tag = static_cast<std::uint8_t>(hash >> 32);
    return tag == 0 ? 1 : tag;
  }
  Page* page_of(std::uint64_t hash) const {
    for (;;) {
      // Acquire, each: pairs with the releases of grow(). An entry that was changed after the
      // directory grew is seen with the new mask, so that it is not used with the old one.
      const std::uint64_t mask = mask_.load(std::memory_order_acquire);
      const PageId id = directory_[hash & mask].load(std::memory_order_acquire);
      if (mask_.load(std::memory_order_relaxed) == mask) [[likely]] {
        return reinterpret_cast<Page*>(base_ + std::uint64_t{id} * sizeof(Page));
      }
    }
  }
  // How many bits of the hash the directory tells apart.
  std::uint32_t width() const {
    return static_cast<std::uint32_t>(std::popcount(mask_.load(std::memory_order_relaxed)));
  }

  template <typename Accept>
  Slot scan(const Home& home, std::uint64_t hash, Accept accept) const;
  bool lock_all(Page* page);
  void unlock_all(Page* page);
  void distribute(const Page& from, std::uint32_t depth, Page& zero, Page& one) const;
  void place(Page& page, std::uint32_t home, std::uint8_t tag, Ref ref) const;
  bool reserve_directory(std::uint32_t depth, std::uint32_t keep_segments);
  void publish(std::uint64_t hash, std::uint32_t depth, PageId zero, PageId one);
  void lock_stash(Page& page) const;
  void unlock_stash(Page& page) const;

  // What look-ups need, together and apart from what changes.
  alignas(kCacheLineBytes) char* const base_;
  const std::uint32_t shift_;
  std::uint32_t depth_max_ = 0;
  std::atomic<PageId>* directory_ = nullptr;
  std::atomic<std::uint64_t> mask_{0};
  Pool& pool_;
  Epochs& epochs_;
  std::uint64_t mapped_bytes_ = 0;

  alignas(kCacheLineBytes) PagePool pages_;
  std::mutex mutex_;  // guards changes of the directory
  std::atomic<std::uint64_t> directory_bytes_{0};
};

[[gnu::always_inline]] inline Ref Index::find(std::string_view key, std::uint64_t hash) const {
  const Page* page = page_of(hash);
  const Bucket& home = page->homes[home_of(hash)];
  const std::uint8_t tag = tag_of(hash);
  std::uint64_t header = 0;
  for (std::uint32_t bits = home.match(tag, header); bits != 0; bits &= bits - 1) {
    const Ref ref = home.ref(static_cast<std::uint32_t>(std::countr_zero(bits)));
    if (ref != 0 && record(ref).has_key(key)) return ref;
  }
  std::uint64_t stashes = (header & Bucket::kStashMask) >> Bucket::kStashShift;
  for (; stashes != 0; stashes &= stashes - 1) {
    const Bucket& stash = page->stashes[std::countr_zero(stashes)];
    std::uint64_t unused = 0;
    for (std::uint32_t bits = stash.match(tag, unused); bits != 0; bits &= bits - 1) {
      const Ref ref = stash.ref(static_cast<std::uint32_t>(std::countr_zero(bits)));
      if (ref != 0 && record(ref).has_key(key)) return ref;
    }
  }
  return 0;
}

[[gnu::always_inline]] inline Ref Index::prefetch_match(const Bucket& home, std::uint64_t hash,
                                                        std::size_t key_bytes) const {
  const auto prefetch = [&](std::uint32_t slot) {
    const Ref ref = home.ref(slot);
    const char* record = base_ + (std::uint64_t{ref} << shift_);
    __builtin_prefetch(record);
    // Often the same line, and then for free.
    __builtin_prefetch(record + Record::kKeyAtMax + key_bytes);
    return ref;
  };
  std::uint64_t header = 0;
  std::uint32_t bits = home.match(tag_of(hash), header);
  if (bits == 0) [[unlikely]] {
    const Page* page = Page::of(&home);
    std::uint64_t stashes = (header & Bucket::kStashMask) >> Bucket::kStashShift;
    for (; stashes != 0; stashes &= stashes - 1) {
      __builtin_prefetch(&page->stashes[std::countr_zero(stashes)]);
    }
    return 0;
  }
  const Ref first = prefetch(static_cast<std::uint32_t>(std::countr_zero(bits)));
  while ((bits &= bits - 1) != 0) [[unlikely]] {
    prefetch(static_cast<std::uint32_t>(std::countr_zero(bits)));
  }
  return first;
}

}  // namespace minos::store
