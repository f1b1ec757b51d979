#pragma once

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/units.h"

namespace minos {

// Bounded ring between one producing and one consuming thread. Nothing blocks, spins or allocates
// after construction. Source: Lamport's ring of 1983, with each side keeping a copy of the other's
// index, so that the other's cache line is read only when the copy says full (or empty).
//
// try_push* by one thread at a time, try_pop* by one thread at a time; empty() and size_approx() by
// any. Construction and destruction happen while nobody else uses the ring.
//
// Invariants. Indices only grow and wrap with std::size_t; the slot of index i is i modulo
// capacity.
//   1. head <= tail <= head + capacity.
//   2. Exactly the slots of [head, tail) hold a constructed element, owned by the ring.
//   3. The producer's copy of head is never past head, the consumer's copy of tail never past tail.
template <typename T>
class SpscRing {
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "an element that throws half-way would break invariant 2");

 public:
  // `capacity`, in elements, is a power of two; all of it is usable.
  explicit SpscRing(std::size_t capacity)
      : mask_(capacity - 1), slots_(std::make_unique_for_overwrite<Slot[]>(capacity)) {
    CHECK(std::has_single_bit(capacity));
  }

  ~SpscRing() {
    const std::size_t tail = producer_.tail.load(std::memory_order_relaxed);
    for (std::size_t i = consumer_.head.load(std::memory_order_relaxed); i != tail; ++i) {
      std::destroy_at(element(i));
    }
  }

  SpscRing(const SpscRing&) = delete;
  SpscRing& operator=(const SpscRing&) = delete;

  std::size_t capacity() const { return mask_ + 1; }

  // Producer. False when full; `value` is then untouched.
  bool try_push(T&& value) {
    const std::size_t tail = own_tail();
    if (free_slots(tail, 1) == 0) return false;
    construct(tail, std::move(value));
    publish_tail(tail + 1);
    return true;
  }

  // Producer. Moves as many as fit out of the front of `values`, in order, and returns how many;
  // the rest is untouched.
  std::size_t try_push_batch(std::span<T> values) {
    const std::size_t tail = own_tail();
    const std::size_t count = std::min(values.size(), free_slots(tail, values.size()));
    for (std::size_t i = 0; i < count; ++i) construct(tail + i, std::move(values[i]));
    if (count != 0) publish_tail(tail + count);
    return count;
  }

  // Consumer. Nothing when empty.
  std::optional<T> try_pop() {
    const std::size_t head = own_head();
    if (filled_slots(head, 1) == 0) return std::nullopt;
    T* slot = element(head);
    std::optional<T> value(std::move(*slot));
    std::destroy_at(slot);
    publish_head(head + 1);
    return value;
  }

  // Consumer. Moves the oldest elements over the front of `out`, in order, and returns how many.
  std::size_t try_pop_batch(std::span<T> out) {
    static_assert(std::is_nothrow_move_assignable_v<T>);
    const std::size_t head = own_head();
    const std::size_t count = std::min(out.size(), filled_slots(head, out.size()));
    for (std::size_t i = 0; i < count; ++i) {
      T* slot = element(head + i);
      out[i] = std::move(*slot);
      std::destroy_at(slot);
    }
    if (count != 0) publish_head(head + count);
    return count;
  }

  // Any thread. Exact for the consumer when false and for the producer when true; otherwise a
  // moment old.
  bool empty() const { return peer_head() == peer_tail(); }

  // Any thread. In [0, capacity]; a moment old while the other side works.
  std::size_t size_approx() const {
    // Head first: tail is then at least as new, so the difference is never negative.
    const std::size_t head = peer_head();
    return std::min(peer_tail() - head, capacity());
  }

 private:
  struct Slot {
    alignas(T) std::byte bytes[sizeof(T)];
  };

  // Written by the producer only; the consumer reads `tail`.
  struct alignas(kCacheLineBytes) ProducerSide {
    std::atomic<std::size_t> tail{0};
    std::size_t head_copy = 0;
  };
  // Written by the consumer only; the producer reads `head`.
  struct alignas(kCacheLineBytes) ConsumerSide {
    std::atomic<std::size_t> head{0};
    std::size_t tail_copy = 0;
  };
  static_assert(sizeof(ProducerSide) == kCacheLineBytes &&
                alignof(ProducerSide) == kCacheLineBytes);
  static_assert(sizeof(ConsumerSide) == kCacheLineBytes &&
                alignof(ConsumerSide) == kCacheLineBytes);
  static_assert(std::atomic<std::size_t>::is_always_lock_free);

  T* element(std::size_t index) {
    return std::launder(reinterpret_cast<T*>(slots_[index & mask_].bytes));
  }
  void construct(std::size_t index, T&& value) {
    ::new (static_cast<void*>(slots_[index & mask_].bytes)) T(std::move(value));
  }

  // Relaxed: only the caller's side stores to its index.
  std::size_t own_tail() const { return producer_.tail.load(std::memory_order_relaxed); }
  std::size_t own_head() const { return consumer_.head.load(std::memory_order_relaxed); }

  // Pairs with the release in publish_tail(): who sees the index sees the elements below it.
  std::size_t peer_tail() const { return producer_.tail.load(std::memory_order_acquire); }
  // Pairs with the release in publish_head(): who sees the index may reuse the slots below it,
  // whose elements are gone.
  std::size_t peer_head() const { return consumer_.head.load(std::memory_order_acquire); }

  // Pairs with the acquire in peer_tail().
  void publish_tail(std::size_t tail) {
    DCHECK(tail - producer_.head_copy <= capacity());
    producer_.tail.store(tail, std::memory_order_release);
  }
  // Pairs with the acquire in peer_head().
  void publish_head(std::size_t head) {
    DCHECK(consumer_.tail_copy - head <= capacity());
    consumer_.head.store(head, std::memory_order_release);
  }

  // Producer: how many slots are free; looks at the real head only when fewer than `wanted` are.
  std::size_t free_slots(std::size_t tail, std::size_t wanted) {
    const std::size_t known = capacity() - (tail - producer_.head_copy);
    if (known >= wanted) return known;
    producer_.head_copy = peer_head();
    return capacity() - (tail - producer_.head_copy);
  }

  // Consumer: how many slots are filled; looks at the real tail only when fewer than `wanted` are.
  std::size_t filled_slots(std::size_t head, std::size_t wanted) {
    const std::size_t known = consumer_.tail_copy - head;
    if (known >= wanted) return known;
    consumer_.tail_copy = peer_tail();
    return consumer_.tail_copy - head;
  }

  // Never written after construction, so both sides share their line.
  const std::size_t mask_;
  const std::unique_ptr<Slot[]> slots_;

  ProducerSide producer_;
  ConsumerSide consumer_;
};

}  // namespace minos
