#include "store/index.h"

#include <sched.h>
#include <sys/mman.h>

#include <array>
#include <bit>
#include <new>

#include "base/check.h"
#include "base/hash.h"

namespace minos::store {

namespace {

constexpr std::uint32_t kSpinsBeforeYield = 64;

// Locks are held for the time of a small copy, or of a page split; a holder that lost its CPU needs
// it back, hence the yield.
void wait(std::uint32_t& spins) {
  if (++spins < kSpinsBeforeYield) {
#if defined(__SSE2__)
    _mm_pause();
#endif
    return;
  }
  spins = 0;
  sched_yield();
}

// What a split needs to know about an item.
struct Placed {
  Ref ref;
  std::uint8_t home;
  std::uint8_t tag;
};

std::uint32_t collect_items(const Page& page, std::array<Placed, Page::kItemsMax>& items) {
  std::uint32_t count = 0;
  const auto add_all = [&](const Bucket& bucket, auto home_of_slot) {
    const std::uint64_t low = bucket.words[0].load(std::memory_order_relaxed) >> 32;
    const std::uint64_t high = bucket.words[1].load(std::memory_order_relaxed);
    for (std::uint32_t slot = 0; slot < Bucket::kSlots; ++slot) {
      const std::uint64_t word = slot < 4 ? low >> (8 * slot) : high >> (8 * (slot - 4));
      const auto tag = static_cast<std::uint8_t>(word);
      if (tag == 0) continue;
      items[count++] = {bucket.ref(slot), static_cast<std::uint8_t>(home_of_slot(slot)), tag};
    }
  };
  for (std::uint32_t home = 0; home < Page::kHomes; ++home) {
    add_all(page.homes[home], [home](std::uint32_t) { return home; });
  }
  for (std::uint32_t stash = 0; stash < Page::kStashes; ++stash) {
    add_all(page.stashes[stash],
            [&page, stash](std::uint32_t slot) { return page.stash_home(stash, slot); });
  }
  return count;
}

}  // namespace

Index::Index(Pool& pool, Epochs& epochs, Granule granule)
    : base_(pool.base()), shift_(granule.shift), pool_(pool), epochs_(epochs), pages_(pool) {}

Index::~Index() {
  if (directory_ != nullptr) munmap(directory_, mapped_bytes_);
}

bool Index::open() {
  // Room for twice as many entries as there can be pages, as some parts of the hash space are
  // denser than others. Mapped whole, paid for and touched as it grows.
  const std::uint64_t pages_max = pool_.segments() * (kSegmentBytes / sizeof(Page));
  depth_max_ = std::min(kDepthMax, static_cast<std::uint32_t>(std::bit_width(2 * pages_max)));
  mapped_bytes_ = sizeof(PageId) << depth_max_;
  void* mapped = mmap(nullptr, mapped_bytes_, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED) return false;
  directory_ = static_cast<std::atomic<PageId>*>(mapped);
  PageId first = kNoPage;
  PageId second = kNoPage;
  if (!reserve_directory(0, 0) || !pages_.take_two(first, second, 0)) return false;
  pages_.give(second);
  directory_[0].store(first, std::memory_order_release);
  return true;
}

Index::Home Index::lock(std::uint64_t hash) {
  const std::uint32_t number = home_of(hash);
  for (std::uint32_t spins = 0;; wait(spins)) {
    Page* page = page_of(hash);
    std::atomic<std::uint64_t>& word = page->homes[number].words[0];
    // Acquire: pairs with the release in grow(), so that after a dead page the next is found.
    std::uint64_t seen = word.load(std::memory_order_acquire);
    if ((seen & (Bucket::kDead | Bucket::kLocked)) != 0) continue;
    // Acquire: pairs with unlock(): what the last holder wrote is seen.
    if (word.compare_exchange_weak(seen, seen | Bucket::kLocked, std::memory_order_acquire)) {
      return {page, number};
    }
  }
}

void Index::unlock(const Home& home) {
  std::atomic<std::uint64_t>& word = home.bucket().words[0];
  // Release: pairs with lock().
  word.store(word.load(std::memory_order_relaxed) & ~Bucket::kLocked, std::memory_order_release);
}

bool Index::lock_all(Page* page) {
  for (Bucket& home : page->homes) {
    for (std::uint32_t spins = 0;; wait(spins)) {
      std::uint64_t seen = home.words[0].load(std::memory_order_relaxed);
      if ((seen & Bucket::kDead) != 0) {
        // Whoever split it locked from the first on, so we have none.
        CHECK(&home == &page->homes[0]);
        return false;
      }
      if ((seen & Bucket::kLocked) != 0) continue;
      if (home.words[0].compare_exchange_weak(seen, seen | Bucket::kLocked,
                                              std::memory_order_acquire)) {
        break;
      }
    }
  }
  return true;
}

void Index::unlock_all(Page* page) {
  for (std::uint32_t number = 0; number < Page::kHomes; ++number) unlock({page, number});
}

void Index::lock_stash(Page& page) const {
  std::atomic<std::uint64_t>& word = page.stashes[0].words[0];
  for (std::uint32_t spins = 0;; wait(spins)) {
    std::uint64_t seen = word.load(std::memory_order_relaxed);
    if ((seen & Page::kStashLocked) != 0) continue;
    // Acquire: pairs with unlock_stash().
    if (word.compare_exchange_weak(seen, seen | Page::kStashLocked, std::memory_order_acquire)) {
      return;
    }
  }
}

void Index::unlock_stash(Page& page) const {
  std::atomic<std::uint64_t>& word = page.stashes[0].words[0];
  word.store(word.load(std::memory_order_relaxed) & ~std::uint64_t{Page::kStashLocked},
             std::memory_order_release);
}

// Visits the slots that may hold an item with this hash until one is accepted.
template <typename Accept>
Index::Slot Index::scan(const Home& home, std::uint64_t hash, Accept accept) const {
  const std::uint8_t tag = tag_of(hash);
  const auto scan_bucket = [&](Bucket& bucket, std::uint64_t& header) -> Slot {
    for (std::uint32_t bits = bucket.match(tag, header); bits != 0; bits &= bits - 1) {
      const auto number = static_cast<std::uint32_t>(std::countr_zero(bits));
      if (const Ref ref = bucket.ref(number); ref != 0 && accept(ref)) return {&bucket, number};
    }
    return {};
  };
  std::uint64_t header = 0;
  if (const Slot slot = scan_bucket(home.bucket(), header)) return slot;
  std::uint64_t stashes = (header & Bucket::kStashMask) >> Bucket::kStashShift;
  for (; stashes != 0; stashes &= stashes - 1) {
    std::uint64_t unused = 0;
    if (const Slot slot = scan_bucket(home.page->stashes[std::countr_zero(stashes)], unused)) {
      return slot;
    }
  }
  return {};
}

Index::Slot Index::find(const Home& home, std::string_view key, std::uint64_t hash) const {
  return scan(home, hash, [&](Ref ref) { return record(ref).has_key(key); });
}

Index::Slot Index::find(const Home& home, Ref wanted, std::uint64_t hash) const {
  return scan(home, hash, [&](Ref ref) { return ref == wanted; });
}

Index::Slot Index::find_large(const Home& home, std::uint32_t unit, std::uint64_t hash) const {
  return scan(home, hash, [&](Ref ref) {
    const Record found = record(ref);
    return found.large() && found.large_unit() == unit;
  });
}

Index::Slot Index::least_used(const Home& home) const {
  Slot least;
  for (std::uint32_t number = 0; number < Bucket::kSlots; ++number) {
    const Ref ref = home.bucket().ref(number);
    if (ref == 0) continue;
    if (!least || record(ref).uses() < record(least.ref()).uses()) least = {&home.bucket(), number};
  }
  return least;
}

bool Index::has_room(const Home& home) const {
  std::uint64_t header = 0;
  if (home.bucket().match(0, header) != 0) return true;
  for (const Bucket& stash : home.page->stashes) {
    // A hint: another home may take it before us.
    if ((stash.match(0, header) & ((1U << Page::kStashSlots) - 1)) != 0) return true;
  }
  return false;
}

bool Index::insert(const Home& home, std::uint64_t hash, Ref ref) {
  std::uint64_t header = 0;
  if (const std::uint32_t free = home.bucket().match(0, header); free != 0) {
    home.bucket().fill(static_cast<std::uint32_t>(std::countr_zero(free)), tag_of(hash), ref);
    return true;
  }
  Page& page = *home.page;
  lock_stash(page);
  for (std::uint32_t i = 0; i < Page::kStashes; ++i) {
    const std::uint32_t number = (home.number + i) % Page::kStashes;
    Bucket& stash = page.stashes[number];
    const std::uint32_t free = stash.match(0, header) & ((1U << Page::kStashSlots) - 1);
    if (free == 0) continue;
    const auto slot = static_cast<std::uint32_t>(std::countr_zero(free));
    page.set_stash_home(number, slot, home.number);
    stash.fill(slot, tag_of(hash), ref);
    unlock_stash(page);
    home.bucket().set_stash_bit(number, true);
    return true;
  }
  unlock_stash(page);
  return false;
}

void Index::erase(const Home& home, const Slot& slot) {
  if (slot.bucket == &home.bucket()) {
    slot.bucket->empty(slot.number);
    return;
  }
  Page& page = *home.page;
  const auto number = static_cast<std::uint32_t>(slot.bucket - page.stashes);
  lock_stash(page);
  slot.bucket->empty(slot.number);
  bool others = false;
  std::uint64_t header = 0;
  const std::uint32_t free = slot.bucket->match(0, header);
  for (std::uint32_t i = 0; i < Page::kStashSlots; ++i) {
    others |= (free & (1U << i)) == 0 && page.stash_home(number, i) == home.number;
  }
  unlock_stash(page);
  if (!others) home.bucket().set_stash_bit(number, false);
}

// Adds an item to a page that nobody reads yet.
void Index::place(Page& page, std::uint32_t home, std::uint8_t tag, Ref ref) const {
  std::uint64_t header = 0;
  Bucket& bucket = page.homes[home];
  if (const std::uint32_t free = bucket.match(0, header); free != 0) {
    bucket.fill(static_cast<std::uint32_t>(std::countr_zero(free)), tag, ref);
    return;
  }
  for (std::uint32_t i = 0; i < Page::kStashes; ++i) {
    const std::uint32_t number = (home + i) % Page::kStashes;
    const std::uint32_t free =
        page.stashes[number].match(0, header) & ((1U << Page::kStashSlots) - 1);
    if (free == 0) continue;
    const auto slot = static_cast<std::uint32_t>(std::countr_zero(free));
    page.set_stash_home(number, slot, home);
    page.stashes[number].fill(slot, tag, ref);
    bucket.set_stash_bit(number, true);
    return;
  }
  CHECK(false);  // a half of a page cannot hold more than the whole
}

// Copies the items of a page to two, by bit `depth` of their hashes.
void Index::distribute(const Page& from, std::uint32_t depth, Page& zero, Page& one) const {
  std::array<Placed, Page::kItemsMax> items;
  const std::uint32_t count = collect_items(from, items);
  constexpr std::uint32_t kAhead = 16;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (i + kAhead < count) {
      const char* ahead = base_ + (std::uint64_t{items[i + kAhead].ref} << shift_);
      __builtin_prefetch(ahead);
    }
    const std::uint64_t hash = hash_key(record(items[i].ref).key());
    place((hash >> depth & 1) != 0 ? one : zero, items[i].home, items[i].tag, items[i].ref);
  }
}

// Makes sure that the directory has entries for `depth` bits; under the mutex except at start.
bool Index::reserve_directory(std::uint32_t depth, std::uint32_t keep_segments) {
  const std::uint64_t bytes = std::max<std::uint64_t>(4096, sizeof(PageId) << depth);
  const std::uint64_t paid = directory_bytes_.load(std::memory_order_relaxed);
  if (bytes <= paid) return true;
  if (!pool_.charge(bytes - paid, keep_segments + pool_.kept_for_outside())) return false;
  directory_bytes_.store(bytes, std::memory_order_relaxed);
  return true;
}

void Index::publish(std::uint64_t hash, std::uint32_t depth, PageId zero, PageId one) {
  const std::uint64_t entries = std::uint64_t{1} << width();
  const std::uint64_t step = std::uint64_t{1} << depth;
  for (std::uint64_t at = hash & (step - 1); at < entries; at += step) {
    // Release: pairs with page_of(): the page is seen filled.
    directory_[at].store((at >> depth & 1) != 0 ? one : zero, std::memory_order_release);
  }
}

Index::Grown Index::grow(std::uint64_t hash, std::uint32_t keep_segments) {
  PageId zero = kNoPage;
  PageId one = kNoPage;
  if (!pages_.take_two(zero, one, keep_segments)) return Grown::kNoMemory;
  const auto give_up = [&](Grown why) {
    pages_.give(zero);
    pages_.give(one);
    return why;
  };
  Page* page = page_of(hash);
  if (!lock_all(page)) return give_up(Grown::kDone);
  const std::uint32_t depth = page->depth();
  {
    std::lock_guard lock(mutex_);
    if (depth == width()) {
      const bool deepest = depth == depth_max_;
      if (deepest || !reserve_directory(depth + 1, keep_segments)) {
        unlock_all(page);
        return give_up(deepest ? Grown::kAtLimit : Grown::kNoMemory);
      }
      const std::uint64_t entries = std::uint64_t{1} << depth;
      for (std::uint64_t at = 0; at < entries; ++at) {
        directory_[entries + at].store(directory_[at].load(std::memory_order_relaxed),
                                       std::memory_order_relaxed);
      }
      // Release: pairs with page_of(): the new half is seen filled.
      mask_.store(2 * entries - 1, std::memory_order_release);
    }
  }
  distribute(*page, depth, *pages_.page(zero), *pages_.page(one));
  pages_.page(zero)->stashes[0].set_note(depth + 1);
  pages_.page(one)->stashes[0].set_note(depth + 1);
  {
    std::lock_guard lock(mutex_);
    publish(hash, depth, zero, one);
  }
  for (Bucket& home : page->homes) {
    // Release: pairs with lock(): who sees this sees the directory above.
    home.words[0].store(home.words[0].load(std::memory_order_relaxed) | Bucket::kDead,
                        std::memory_order_release);
  }
  pages_.retire(page, epochs_.retire());
  return Grown::kDone;
}

}  // namespace minos::store
