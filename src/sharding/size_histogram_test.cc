#include "sharding/size_histogram.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <thread>

#include "base/prng.h"
#include "sharding/cost.h"

namespace minos {
namespace {

TEST(SizeClass, ClassesAreContiguousAndTight) {
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    EXPECT_EQ(size_class_of(lower_bytes(i)), i);
    EXPECT_EQ(size_class_of(upper_bytes(i)), i);
    if (i + 1 < kSizeClasses) {
      EXPECT_EQ(lower_bytes(i + 1), upper_bytes(i) + 1);
    }
    EXPECT_LE(upper_bytes(i) - lower_bytes(i), lower_bytes(i) / 16);
  }
}

TEST(SizeClass, SmallSizesAreExactAndHugeOnesShareTheLast) {
  for (std::uint64_t bytes = 0; bytes < 32; ++bytes) {
    EXPECT_EQ(upper_bytes(size_class_of(bytes)), bytes);
  }
  EXPECT_EQ(upper_bytes(size_class_of(32)), 33U);
  EXPECT_EQ(lower_bytes(size_class_of(1500)), 1472U);  // steps of 64 in [1024, 2048)
  EXPECT_EQ(upper_bytes(size_class_of(1500)), 1535U);
  EXPECT_EQ(size_class_of(std::uint64_t{1} << 31), kSizeClasses - 1);
  EXPECT_EQ(size_class_of(std::numeric_limits<std::uint64_t>::max()), kSizeClasses - 1);
}

TEST(SizeHistogram, QuantilesOfKnownSizes) {
  SizeHistogram sizes;
  EXPECT_EQ(sizes.quantile_bytes(0.5), 0U);
  sizes.record(10, 90);
  sizes.record(1500, 9);
  sizes.record(0);
  EXPECT_EQ(sizes.count(), 100U);
  EXPECT_EQ(sizes.quantile_bytes(0.01), 0U);
  EXPECT_EQ(sizes.quantile_bytes(0.02), 10U);
  EXPECT_EQ(sizes.quantile_bytes(0.91), 10U);
  EXPECT_EQ(sizes.quantile_bytes(0.92), 1535U);
  EXPECT_EQ(sizes.quantile_bytes(1.0), 1535U);
  sizes.clear();
  EXPECT_EQ(sizes.count(), 0U);
}

TEST(SizeHistogram, MergeAdds) {
  SizeHistogram a;
  SizeHistogram b;
  a.record(5);
  b.record(5, 2);
  b.record(100);
  a.merge(b);
  EXPECT_EQ(a.count(), 4U);
  EXPECT_EQ(a.count(size_class_of(5)), 3U);
  EXPECT_EQ(a.count(size_class_of(100)), 1U);
}

TEST(SharedSizeHistogram, DeltasAreWhatCameSinceTheLastOne) {
  SharedSizeHistogram shared;
  SizeHistogram seen;
  shared.record(5);
  shared.record(100);
  EXPECT_EQ(shared.delta_since(seen).count(), 2U);
  EXPECT_EQ(shared.delta_since(seen).count(), 0U);
  shared.record(5);
  const SizeHistogram delta = shared.delta_since(seen);
  EXPECT_EQ(delta.count(), 1U);
  EXPECT_EQ(delta.count(size_class_of(5)), 1U);
  EXPECT_EQ(seen.count(), 3U);
  SizeHistogram none;
  EXPECT_EQ(shared.delta_since(none).count(), 3U);
}

// A request lost or counted twice shows in the sum of the deltas.
TEST(SharedSizeHistogram, DeltasOfARunningWriterAddUp) {
  constexpr std::uint64_t kRequests = 300'000;
  SharedSizeHistogram shared;
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    for (std::uint64_t i = 0; i < kRequests; ++i) shared.record(i % 5000);
    done.store(true, std::memory_order_release);
  });
  SizeHistogram seen;
  SizeHistogram sum;
  for (bool last = false; !last;) {
    last = done.load(std::memory_order_acquire);
    sum.merge(shared.delta_since(seen));
    std::this_thread::yield();
  }
  EXPECT_EQ(sum.count(), kRequests);
  SizeHistogram expected;
  for (std::uint64_t i = 0; i < kRequests; ++i) expected.record(i % 5000);
  for (SizeClass i = 0; i < kSizeClasses; ++i) EXPECT_EQ(sum.count(i), expected.count(i));
}

SizeHistogram of(std::uint64_t value_bytes, std::uint64_t times) {
  SizeHistogram sizes;
  sizes.record(value_bytes, times);
  return sizes;
}

TEST(SmoothedSizes, WeighsTheNewestEpochAndSkipsEmptyOnes) {
  SmoothedSizes smoothed(0.9);
  EXPECT_TRUE(smoothed.empty());
  smoothed.add(SizeHistogram());
  EXPECT_TRUE(smoothed.empty());
  smoothed.add(of(10, 100));  // the first one counts in full
  EXPECT_DOUBLE_EQ(smoothed.weight(size_class_of(10)), 100);
  smoothed.add(SizeHistogram());
  EXPECT_DOUBLE_EQ(smoothed.total(), 100);
  smoothed.add(of(20, 50));  // 10 B: 0.1 * 100 + 0.9 * 0; 20 B: 0.1 * 0 + 0.9 * 50
  EXPECT_DOUBLE_EQ(smoothed.weight(size_class_of(10)), 10);
  EXPECT_DOUBLE_EQ(smoothed.weight(size_class_of(20)), 45);
  EXPECT_DOUBLE_EQ(smoothed.total(), 55);
}

TEST(SmoothedSizes, ThresholdLeavesAtMostTheGivenShareAbove) {
  SmoothedSizes smoothed(1.0);
  EXPECT_EQ(smoothed.threshold_bytes(99), std::numeric_limits<std::uint64_t>::max());
  SizeHistogram epoch;
  epoch.record(3, 600);
  epoch.record(7, 389);
  epoch.record(9, 1);
  epoch.record(1500, 9);
  epoch.record(500'000, 1);
  smoothed.add(epoch);
  // Of 1000: above 1535 B (the class of 1500) 1, above 9 B 10, above 7 B 11, above
  // 3 B 400.
  EXPECT_EQ(smoothed.threshold_bytes(99), 9U);
  EXPECT_EQ(smoothed.threshold_bytes(99.9), 1535U);
  EXPECT_EQ(smoothed.threshold_bytes(99.95), upper_bytes(size_class_of(500'000)));
  EXPECT_EQ(smoothed.threshold_bytes(98.9), 7U);
  EXPECT_EQ(smoothed.threshold_bytes(60.1), 7U);
  EXPECT_EQ(smoothed.threshold_bytes(60), 3U);
}

TEST(SmoothedSizes, ThresholdOfOneSizeIsThatSize) {
  SmoothedSizes smoothed(0.5);
  smoothed.add(of(17, 3));
  EXPECT_EQ(smoothed.threshold_bytes(99), 17U);
  EXPECT_EQ(smoothed.threshold_bytes(1), 17U);
}

TEST(RequestCost, CountsPacketsOrBytesAndIsNeverZero) {
  EXPECT_EQ(request_cost(CostUnit::kPackets, 0), 1U);
  EXPECT_EQ(request_cost(CostUnit::kPackets, 1472), 1U);
  EXPECT_EQ(request_cost(CostUnit::kPackets, 1473), 2U);
  EXPECT_EQ(request_cost(CostUnit::kPackets, 500'000), 340U);  // 339.7
  EXPECT_EQ(request_cost(CostUnit::kBytes, 0), 1U);
  EXPECT_EQ(request_cost(CostUnit::kBytes, 500'000), 500'000U);
}

}  // namespace
}  // namespace minos
