#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "base/units.h"
#include "store/record.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace minos::store {

// A cache line of the index: refs to items, a tag byte of the hash for each, and a header.
//
// Who may write: the core that holds the lock bit of the home bucket of the key (of a stash
// bucket: and the lock of the stash, to change tags). Everybody reads without locking.
//
// A slot is in use when its tag is not 0. It is filled ref first and emptied ref first, so that a
// tag seen with acquire comes with its ref, and a ref of 0 means emptied meanwhile.
struct alignas(kCacheLineBytes) Bucket {
  static constexpr std::uint32_t kSlots = 12;

  // Bits of the header, which is the low half of words[0]; the high half are tags 0..3. words[1]
  // are tags 4..11.
  static constexpr std::uint64_t kLocked = 1;
  static constexpr std::uint64_t kDead = 2;        // the page was split: look it up again
  static constexpr std::uint32_t kStashShift = 4;  // 4 bits: stash buckets that hold our items
  static constexpr std::uint64_t kStashMask = std::uint64_t{15} << kStashShift;

  std::atomic<std::uint64_t> words[2];
  std::atomic<Ref> refs[kSlots];

  // One bit per slot whose tag is `tag`; `header` is filled with the word it was read with.
  // Acquire: pairs with the release of set_tag(), so that the refs of those slots are seen.
  std::uint32_t match(std::uint8_t tag, std::uint64_t& header) const {
    const std::uint64_t low = words[0].load(std::memory_order_acquire);
    const std::uint64_t high = words[1].load(std::memory_order_acquire);
    header = low;
#if defined(__SSE2__)
    const __m128i tags = _mm_set_epi64x(static_cast<long long>(high), static_cast<long long>(low));
    const __m128i equal = _mm_cmpeq_epi8(tags, _mm_set1_epi8(static_cast<char>(tag)));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(equal)) >> 4;
#else
    std::uint32_t bits = 0;
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      const std::uint64_t word = slot < 4 ? low : high;
      if (static_cast<std::uint8_t>(word >> tag_shift(slot)) == tag) bits |= 1U << slot;
    }
    return bits;
#endif
  }

  // Acquire: pairs with the release of publish(): the record is seen whole.
  Ref ref(std::uint32_t slot) const { return refs[slot].load(std::memory_order_acquire); }

  // What follows is for the holder of the lock; nobody else writes meanwhile, so plain
  // load-and-store sequences are enough.
  void publish(std::uint32_t slot, Ref ref) { refs[slot].store(ref, std::memory_order_release); }
  void set_tag(std::uint32_t slot, std::uint8_t tag) {
    std::atomic<std::uint64_t>& word = words[slot < 4 ? 0 : 1];
    const std::uint32_t shift = tag_shift(slot);
    const std::uint64_t rest =
        word.load(std::memory_order_relaxed) & ~(std::uint64_t{0xff} << shift);
    word.store(rest | std::uint64_t{tag} << shift, std::memory_order_release);
  }
  void fill(std::uint32_t slot, std::uint8_t tag, Ref ref) {
    publish(slot, ref);
    set_tag(slot, tag);
  }
  void empty(std::uint32_t slot) {
    refs[slot].store(0, std::memory_order_release);
    set_tag(slot, 0);
  }
  // Release: pairs with the acquire of match(): a reader sent to the stash finds the slot there.
  void set_stash_bit(std::uint32_t stash, bool set) {
    const std::uint64_t bit = std::uint64_t{1} << (kStashShift + stash);
    const std::uint64_t word = words[0].load(std::memory_order_relaxed);
    words[0].store(set ? word | bit : word & ~bit, std::memory_order_release);
  }
  // A number that is only ours to use, in the header of a stash bucket.
  void set_note(std::uint32_t note) {
    const std::uint64_t tags = words[0].load(std::memory_order_relaxed) >> 32 << 32;
    words[0].store(tags | note, std::memory_order_relaxed);
  }
  std::uint32_t note() const {
    return static_cast<std::uint32_t>(words[0].load(std::memory_order_relaxed));
  }

 private:
  static constexpr std::uint32_t tag_shift(std::uint32_t slot) {
    return slot < 4 ? 32 + 8 * slot : 8 * (slot - 4);
  }
};
static_assert(sizeof(Bucket) == kCacheLineBytes);

// Home buckets, and stash buckets for what does not fit into its home. A stash bucket has fewer
// slots: the space of the last two refs says which home each of its items belongs to.
struct alignas(4096) Page {
  static constexpr std::uint32_t kHomes = 60;
  static constexpr std::uint32_t kStashes = 4;
  static constexpr std::uint32_t kStashSlots = 10;
  static constexpr std::uint32_t kItemsMax = kHomes * Bucket::kSlots + kStashes * kStashSlots;

  Bucket homes[kHomes];
  Bucket stashes[kStashes];

  static const Page* of(const Bucket* bucket) {
    return reinterpret_cast<const Page*>(reinterpret_cast<std::uintptr_t>(bucket) &
                                         ~std::uintptr_t{sizeof(Page) - 1});
  }

  // Notes in the headers of stash buckets: the lock of the stash and how many bits of the hash all
  // items here share; once retired, the next retired page and the epoch of that.
  static constexpr std::uint32_t kStashLocked = 1U << 31;
  std::uint32_t depth() const { return stashes[0].note() & ~kStashLocked; }

  // Which home the item in a stash slot belongs to. Under the lock of the stash.
  std::uint32_t stash_home(std::uint32_t stash, std::uint32_t slot) const {
    return (home_word(stash, slot).load(std::memory_order_relaxed) >> (6 * (slot % 5))) & 63;
  }
  void set_stash_home(std::uint32_t stash, std::uint32_t slot, std::uint32_t home) {
    std::atomic<Ref>& word = home_word(stash, slot);
    const std::uint32_t shift = 6 * (slot % 5);
    const std::uint32_t rest = word.load(std::memory_order_relaxed) & ~(63U << shift);
    word.store(rest | home << shift, std::memory_order_relaxed);
  }

 private:
  std::atomic<Ref>& home_word(std::uint32_t stash, std::uint32_t slot) {
    return stashes[stash].refs[kStashSlots + slot / 5];
  }
  const std::atomic<Ref>& home_word(std::uint32_t stash, std::uint32_t slot) const {
    return stashes[stash].refs[kStashSlots + slot / 5];
  }
};
static_assert(sizeof(Page) == 4096);

}  // namespace minos::store
