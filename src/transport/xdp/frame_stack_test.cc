#include "transport/xdp/frame_stack.h"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <thread>
#include <vector>

namespace minos {
namespace {

std::size_t length_of(const RxFrameRecord* first) {
  std::size_t length = 0;
  for (; first != nullptr; first = first->next) ++length;
  return length;
}

TEST(FrameStack, ReturnsSingleFramesAndChains) {
  std::array<RxFrameRecord, 4> frames;
  FrameStack stack;
  EXPECT_EQ(stack.take_all(), nullptr);
  stack.push(frames.data());
  frames[1].next = &frames[2];
  stack.push(&frames[1], &frames[2]);
  stack.push(&frames[3]);
  EXPECT_EQ(length_of(stack.take_all()), 4U);
  EXPECT_EQ(stack.take_all(), nullptr);
}

// Each thread owns some frames in turn: it writes to one and pushes it, and a frame that were taken
// twice, lost, or seen before it was written would show in the counts, or to TSan.
TEST(FrameStack, FramesComeBackOnceFromManyThreads) {
  constexpr std::size_t kThreads = 3;
  constexpr std::size_t kFramesEach = 20'000;
  std::vector<RxFrameRecord> frames(kThreads * kFramesEach);
  FrameStack stack;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kFramesEach; i += 2) {
        RxFrameRecord* const first = &frames[t * kFramesEach + i];
        first->users.store(1, std::memory_order_relaxed);
        first[1].users.store(1, std::memory_order_relaxed);
        first->next = first + 1;
        stack.push(first, first + 1);
      }
    });
  }
  std::size_t taken = 0;
  while (taken < frames.size()) {
    for (RxFrameRecord* frame = stack.take_all(); frame != nullptr; frame = frame->next) {
      ASSERT_EQ(frame->users.exchange(0, std::memory_order_relaxed), 1U);
      ++taken;
    }
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stack.take_all(), nullptr);
}

}  // namespace
}  // namespace minos
