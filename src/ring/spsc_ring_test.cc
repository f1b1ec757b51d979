#include "ring/spsc_ring.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "base/prng.h"

namespace minos {
namespace {

// Move-only; counts how often an element that was not moved from is destroyed.
class Counted {
 public:
  Counted() = default;
  Counted(int id, std::vector<int>& destroyed) : id_(id), destroyed_(&destroyed) {}
  Counted(Counted&& other) noexcept
      : id_(other.id_), destroyed_(std::exchange(other.destroyed_, nullptr)) {}
  Counted& operator=(Counted&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(destroyed_, other.destroyed_);
    return *this;
  }
  ~Counted() {
    if (destroyed_ != nullptr) ++(*destroyed_)[static_cast<std::size_t>(id_)];
  }

  int id() const { return id_; }
  bool moved_from() const { return destroyed_ == nullptr; }

 private:
  int id_ = -1;
  std::vector<int>* destroyed_ = nullptr;
};

TEST(SpscRing, KeepsOrderWhileItWrapsAround) {
  SpscRing<int> ring(4);
  int pushed = 0;
  int popped = 0;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(ring.try_push(pushed++));
    for (int i = 0; i < 3; ++i) ASSERT_EQ(ring.try_pop(), popped++);
  }
  EXPECT_EQ(ring.try_pop(), std::nullopt);
}

TEST(SpscRing, UsesItsWholeCapacityAndNoMore) {
  SpscRing<std::unique_ptr<int>> ring(2);
  EXPECT_EQ(ring.capacity(), 2U);
  EXPECT_TRUE(ring.empty());
  EXPECT_TRUE(ring.try_push(std::make_unique<int>(1)));
  EXPECT_TRUE(ring.try_push(std::make_unique<int>(2)));
  EXPECT_EQ(ring.size_approx(), 2U);
  auto third = std::make_unique<int>(3);
  EXPECT_FALSE(ring.try_push(std::move(third)));
  ASSERT_NE(third, nullptr);  // untouched
  EXPECT_EQ(**ring.try_pop(), 1);
  EXPECT_TRUE(ring.try_push(std::move(third)));
  EXPECT_EQ(third, nullptr);
  EXPECT_EQ(**ring.try_pop(), 2);
  EXPECT_EQ(**ring.try_pop(), 3);
  EXPECT_FALSE(ring.try_pop().has_value());
  EXPECT_TRUE(ring.empty());
}

TEST(SpscRing, OfOneElementAlternates) {
  SpscRing<int> ring(1);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(ring.try_push(int{i}));
    EXPECT_FALSE(ring.try_push(-1));
    EXPECT_EQ(ring.try_pop(), i);
  }
}

TEST(SpscRing, BatchesTakeWhatFitsAndLeaveTheRest) {
  SpscRing<std::unique_ptr<int>> ring(4);
  std::vector<std::unique_ptr<int>> in;
  for (int i = 0; i < 6; ++i) in.push_back(std::make_unique<int>(i));
  EXPECT_EQ(ring.try_push_batch(in), 4U);
  EXPECT_EQ(in[3], nullptr);
  ASSERT_NE(in[4], nullptr);
  EXPECT_EQ(*in[4], 4);
  EXPECT_EQ(ring.try_push_batch(in), 0U);
  EXPECT_EQ(ring.try_push_batch({}), 0U);

  std::vector<std::unique_ptr<int>> out(3);
  EXPECT_EQ(ring.try_pop_batch({}), 0U);
  EXPECT_EQ(ring.try_pop_batch(out), 3U);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*out[static_cast<std::size_t>(i)], i);
  EXPECT_EQ(ring.try_pop_batch(out), 1U);
  EXPECT_EQ(*out[0], 3);
  EXPECT_EQ(*out[1], 1);  // untouched
  EXPECT_EQ(ring.try_pop_batch(out), 0U);
}

TEST(SpscRing, DestroysEachElementExactlyOnce) {
  std::vector<int> destroyed(8);
  {
    SpscRing<Counted> ring(8);
    for (int i = 0; i < 8; ++i) ASSERT_TRUE(ring.try_push(Counted(i, destroyed)));
    Counted refused(0, destroyed);
    EXPECT_FALSE(ring.try_push(std::move(refused)));
    EXPECT_FALSE(refused.moved_from());
    refused = Counted();
    destroyed[0] = 0;
    EXPECT_EQ(ring.try_pop()->id(), 0);
    std::vector<Counted> out(3);
    EXPECT_EQ(ring.try_pop_batch(out), 3U);
    EXPECT_EQ(destroyed, (std::vector<int>{1, 0, 0, 0, 0, 0, 0, 0}));
    out.clear();
    EXPECT_EQ(destroyed, (std::vector<int>{1, 1, 1, 1, 0, 0, 0, 0}));
  }
  EXPECT_EQ(destroyed, std::vector<int>(8, 1));
}

// Single and batch calls mixed at random do what a queue does.
TEST(SpscRing, AgreesWithAQueueUnderASeed) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Prng prng(seed);
    SpscRing<std::uint64_t> ring(16);
    std::deque<std::uint64_t> model;
    std::uint64_t next = 0;
    for (int i = 0; i < 2000; ++i) {
      std::vector<std::uint64_t> batch(prng.below(20));
      std::size_t moved = 0;
      switch (prng.below(4)) {
        case 0:
          ASSERT_EQ(ring.try_push(std::uint64_t{next}), model.size() < 16);
          if (model.size() < 16) model.push_back(next++);
          break;
        case 1:
          ASSERT_EQ(ring.try_pop(), model.empty() ? std::nullopt : std::optional(model.front()));
          if (!model.empty()) model.pop_front();
          break;
        case 2:
          for (std::size_t k = 0; k < batch.size(); ++k) batch[k] = next + k;
          moved = ring.try_push_batch(batch);
          ASSERT_EQ(moved, std::min(batch.size(), 16 - model.size()));
          for (std::size_t k = 0; k < moved; ++k) model.push_back(next++);
          break;
        default:
          moved = ring.try_pop_batch(batch);
          ASSERT_EQ(moved, std::min(batch.size(), model.size()));
          for (std::size_t k = 0; k < moved; ++k) {
            ASSERT_EQ(batch[k], model.front());
            model.pop_front();
          }
      }
      ASSERT_EQ(ring.size_approx(), model.size());
      ASSERT_EQ(ring.empty(), model.empty());
    }
  }
}

// An element lost, doubled, reordered or seen before it was written breaks the sequence; freed or
// written too early, it is a race on the heap cell for TSan and a wrong number without.
TEST(SpscRing, TwoThreadsSeeOneSequence) {
  constexpr std::uint64_t kElements = 100'000;
  using Element = std::unique_ptr<std::uint64_t>;
  SpscRing<Element> ring(64);

  std::jthread producer([&ring] {
    Prng prng(1);
    std::uint64_t next = 0;
    while (next < kElements) {
      if (prng.below(2) == 0) {
        auto element = std::make_unique<std::uint64_t>(next);
        while (!ring.try_push(std::move(element))) std::this_thread::yield();
        ++next;
        continue;
      }
      std::vector<Element> batch;
      const std::uint64_t count = std::min(kElements - next, 1 + prng.below(100));
      for (std::uint64_t i = 0; i < count; ++i) {
        batch.push_back(std::make_unique<std::uint64_t>(next++));
      }
      std::span<Element> rest = batch;
      while (!rest.empty()) {
        const std::size_t pushed = ring.try_push_batch(rest);
        rest = rest.subspan(pushed);
        if (pushed == 0) std::this_thread::yield();
      }
    }
  });

  Prng prng(2);
  std::uint64_t expected = 0;
  std::uint64_t wrong = 0;
  std::vector<Element> batch(100);
  while (expected < kElements) {
    std::size_t popped = 0;
    if (prng.below(2) == 0) {
      if (auto element = ring.try_pop()) {
        batch[0] = std::move(*element);
        popped = 1;
      }
    } else {
      popped = ring.try_pop_batch(std::span(batch).first(1 + prng.below(100)));
    }
    for (std::size_t i = 0; i < popped; ++i) wrong += *batch[i] != expected++;
    wrong += ring.size_approx() > ring.capacity();
    if (popped == 0) std::this_thread::yield();
  }
  EXPECT_EQ(wrong, 0U);
  EXPECT_TRUE(ring.empty());
}

using SpscRingDeathTest = ::testing::Test;

TEST(SpscRingDeathTest, RefusesACapacityThatIsNoPowerOfTwo) {
  EXPECT_DEATH(SpscRing<int>(3), "has_single_bit");
}

}  // namespace
}  // namespace minos
