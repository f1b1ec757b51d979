#pragma once

#include <atomic>
#include <cstdint>

namespace minos {

class XdpRxQueue;

// What is known of a received frame besides its bytes.
struct RxFrameRecord {
  XdpRxQueue* owner = nullptr;
  RxFrameRecord* next = nullptr;  // of a stack or chain
  // Who uses it: the port that received it, and who keeps it. Whoever leaves last gives it back.
  std::atomic<std::uint32_t> users{0};
};

// Frames that nobody uses: pushed by any thread, taken, all at once, by one at a time.
class FrameStack {
 public:
  // A chain of frames from `first` on to `last`.
  void push(RxFrameRecord* first, RxFrameRecord* last) {
    RxFrameRecord* top = top_.load(std::memory_order_relaxed);
    // As nobody takes a single frame, a top that has come back is as good as one that stayed.
    // Release pairs with the acquire in take_all(): the frames' links, and the last reads of their
    // bytes, come before their next use.
    do {
      last->next = top;
    } while (!top_.compare_exchange_weak(top, first, std::memory_order_release,
                                         std::memory_order_relaxed));
  }
  void push(RxFrameRecord* frame) { push(frame, frame); }

  // Null when there is none; they are linked by `next`.
  RxFrameRecord* take_all() {
    if (top_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    return top_.exchange(nullptr, std::memory_order_acquire);
  }

 private:
  std::atomic<RxFrameRecord*> top_{nullptr};
};

}  // namespace minos
