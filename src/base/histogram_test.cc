#include "base/histogram.h"

#include <gtest/gtest.h>

#include "base/prng.h"

namespace minos {
namespace {

TEST(LogLinear, BucketsAreContiguousAndTight) {
  for (std::size_t b = 0; b + 1 < LogLinear::kBuckets; ++b) {
    const std::uint64_t upper = LogLinear::upper_of(b);
    EXPECT_EQ(LogLinear::bucket_of(upper), b);
    EXPECT_EQ(LogLinear::bucket_of(upper + 1), b + 1);
    const std::uint64_t lower = b == 0 ? 0 : LogLinear::upper_of(b - 1) + 1;
    EXPECT_LE(upper - lower + 1, lower / 32 + 1);
  }
  EXPECT_EQ(LogLinear::bucket_of(~std::uint64_t{0}), LogLinear::kBuckets - 1);
}

TEST(Histogram, QuantilesOfKnownValues) {
  Histogram h;
  EXPECT_EQ(h.quantile(0.99), 0U);
  for (std::uint64_t v = 1; v <= 100; ++v) h.record(v);
  EXPECT_EQ(h.quantile(0.10), 10U);
  EXPECT_EQ(h.quantile(0.50), 50U);
  EXPECT_GE(h.quantile(0.99), 99U);
  EXPECT_LE(h.quantile(0.99), 102U);
  EXPECT_EQ(h.count(), 100U);
}

TEST(Histogram, MergeAddsAndSnapshotCopies) {
  Prng prng(7);
  Histogram a;
  Histogram all;
  SharedHistogram b;
  for (int i = 0; i < 5000; ++i) {
    const std::uint64_t v = prng.below(1'000'000);
    all.record(v);
    if (i % 2 == 0) {
      a.record(v);
    } else {
      b.record(v);
    }
  }
  a.merge(b.snapshot());
  EXPECT_EQ(a.count(), all.count());
  for (double q : {0.01, 0.5, 0.9, 0.99, 1.0}) EXPECT_EQ(a.quantile(q), all.quantile(q));
}

TEST(Histogram, SubtractLeavesWhatCameSince) {
  Histogram then;
  then.record(1, 5);
  Histogram now = then;
  now.record(1000, 2);
  now.subtract(then);
  EXPECT_EQ(now.count(), 2U);
  EXPECT_EQ(now.quantile(0.01), LogLinear::upper_of(LogLinear::bucket_of(1000)));
}

}  // namespace
}  // namespace minos
