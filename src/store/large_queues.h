#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "store/large_heap.h"

namespace minos::store {

// Published large values in the order of the two queues of S3-FIFO. A value is in a queue exactly
// while the index refers to it, except between take_oldest() and what its taker decides: so all
// but that happens under the lock of its home bucket.
class LargeQueues {
 public:
  void push(LargeValue* value, Queue queue, std::uint64_t stamp) {
    std::lock_guard lock(mutex_);
    push_locked(value, queue, stamp);
  }

  // No-op if it was taken.
  void remove(LargeValue* value) {
    std::lock_guard lock(mutex_);
    if (value->queued) unlink(value);
  }

  // A copy takes the place of a value.
  void replace(LargeValue* value, LargeValue* copy, std::uint64_t stamp) {
    std::lock_guard lock(mutex_);
    if (!value->queued) {
      push_locked(copy, value->queue, stamp);
      return;
    }
    List& list = lists_[index(value->queue)];
    copy->queue = value->queue;
    copy->queued = true;
    copy->stamp = value->stamp;
    copy->prev = value->prev;
    copy->next = value->next;
    (copy->prev != nullptr ? copy->prev->next : list.head) = copy;
    (copy->next != nullptr ? copy->next->prev : list.tail) = copy;
    value->queued = false;
  }

  LargeValue* take_oldest(Queue queue) {
    std::lock_guard lock(mutex_);
    LargeValue* value = lists_[index(queue)].head;
    if (value != nullptr) unlink(value);
    return value;
  }

  // The stamp of the oldest value, ~0 if there is none. Relaxed, as bytes(): compared with the
  // other queues to choose a victim.
  std::uint64_t oldest_stamp(Queue queue) {
    std::lock_guard lock(mutex_);
    const LargeValue* value = lists_[index(queue)].head;
    return value != nullptr ? value->stamp : ~std::uint64_t{0};
  }
  std::uint64_t bytes(Queue queue) const {
    return lists_[index(queue)].bytes.load(std::memory_order_relaxed);
  }

 private:
  struct List {
    LargeValue* head = nullptr;
    LargeValue* tail = nullptr;
    std::atomic<std::uint64_t> bytes{0};
  };

  static std::size_t index(Queue queue) { return static_cast<std::size_t>(queue); }
  static void add(List& list, std::uint64_t bytes) {
    list.bytes.store(list.bytes.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }

  void push_locked(LargeValue* value, Queue queue, std::uint64_t stamp) {
    value->queue = queue;
    value->queued = true;
    value->stamp = stamp;
    List& list = lists_[index(queue)];
    value->prev = list.tail;
    value->next = nullptr;
    (list.tail != nullptr ? list.tail->next : list.head) = value;
    list.tail = value;
    add(list, value->value_bytes);
  }
  void unlink(LargeValue* value) {
    List& list = lists_[index(value->queue)];
    (value->prev != nullptr ? value->prev->next : list.head) = value->next;
    (value->next != nullptr ? value->next->prev : list.tail) = value->prev;
    value->queued = false;
    add(list, 0 - value->value_bytes);
  }

  std::mutex mutex_;  // guards the lists, and queue, queued, stamp and links of values in them
  std::array<List, kQueues> lists_;
};

}  // namespace minos::store
