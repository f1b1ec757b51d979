#include "load/recorder.h"

#include <gtest/gtest.h>

namespace minos {
namespace {

FinishedRequest reply(LoadClass size_class, Nanos scheduled,
                      ReplyStatus status = ReplyStatus::kHit) {
  return {.request = {.key = 0, .value_bytes = 1, .op = LoadOp::kGet, .size_class = size_class},
          .status = status,
          .scheduled = scheduled};
}

TEST(Recorder, CountsOnlyItsWindow) {
  Recorder recorder(millis(10), millis(20), millis(1));
  recorder.record(reply(LoadClass::kTiny, millis(9)), millis(11));   // due before, arrived within
  recorder.record(reply(LoadClass::kTiny, millis(12)), millis(13));  // both within
  recorder.record(reply(LoadClass::kTiny, millis(19)), millis(25));  // due within, arrived after
  recorder.record(reply(LoadClass::kTiny, millis(20)), millis(26));  // neither
  const ClassStats& tiny = recorder.of(LoadClass::kTiny);
  EXPECT_EQ(tiny.received, 2U);
  EXPECT_EQ(tiny.latency_ns.count(), 2U);
  EXPECT_EQ(tiny.max, millis(6));
  EXPECT_EQ(tiny.quantile(1), millis(6));
}

TEST(Recorder, TellsOutcomesApart) {
  Recorder recorder(Nanos(0), millis(20), millis(1));
  recorder.record(reply(LoadClass::kLarge, millis(1), ReplyStatus::kMiss), millis(2));
  recorder.record(reply(LoadClass::kLarge, millis(1), ReplyStatus::kRefused), millis(2));
  recorder.record(reply(LoadClass::kLarge, millis(1), ReplyStatus::kWrongSize), millis(2));
  recorder.record(reply(LoadClass::kLarge, millis(1), ReplyStatus::kStored), millis(2));
  const ClassStats& large = recorder.of(LoadClass::kLarge);
  EXPECT_EQ(large.misses, 1U);
  EXPECT_EQ(large.refused, 1U);
  EXPECT_EQ(large.wrong, 1U);
  EXPECT_EQ(large.latency_ns.count(), 4U);
}

TEST(Recorder, KeepsTheKernelsPartApart) {
  Recorder recorder(millis(10), millis(20), millis(1));
  FinishedRequest done = reply(LoadClass::kTiny, millis(12));
  done.sent = millis(13);
  recorder.record_kernel(done, millis(13) + micros(100), millis(14));
  done.request.size_class = LoadClass::kLarge;
  recorder.record_kernel(done, millis(13) + micros(900), millis(14));
  done.scheduled = millis(9);
  recorder.record_kernel(done, millis(14), millis(14));
  recorder.finish();
  EXPECT_EQ(recorder.of(LoadClass::kTiny).kernel_ns.count(), 1U);
  EXPECT_EQ(recorder.of(LoadClass::kLarge).kernel_ns.count(), 1U);
  EXPECT_EQ(recorder.of(LoadClass::kTiny).latency_ns.count(), 0U);
  EXPECT_NEAR(recorder.kernel_slices().summary().p99_ns, 100'000, 4000);
}

TEST(Recorder, MeasuresLateness) {
  Recorder recorder(millis(10), millis(20), millis(1));
  recorder.issued(millis(9), millis(19));
  recorder.issued(millis(12), millis(12) + micros(3));
  EXPECT_EQ(recorder.issued_count(), 1U);
  EXPECT_EQ(recorder.lateness_max(), micros(3));
}

// One slice of ten is ruined by a pause: it decides the p99 of the run, not the median of slices.
TEST(SliceRecorder, MedianIgnoresARuinedSlice) {
  Recorder a(Nanos(0), millis(500), millis(50));
  Recorder b(Nanos(0), millis(500), millis(50));
  for (int slice = 0; slice < 10; ++slice) {
    for (int i = 1; i <= 1000; ++i) {
      const Nanos at = millis(50 * slice) + micros(i * 40);
      const Nanos latency = slice == 4 ? millis(5) : Nanos(i * 100);
      (i % 2 == 0 ? a : b).record(reply(LoadClass::kSmall, at - latency), at);
    }
  }
  a.finish();
  b.finish();
  a.merge(b);
  const SliceRecorder::Summary summary = a.slices().summary();
  EXPECT_EQ(summary.slices, 10U);
  EXPECT_NEAR(summary.requests, 1000, 2);
  EXPECT_NEAR(summary.p50_ns, 50'000, 500);
  EXPECT_NEAR(summary.p99_ns, 99'000, 1500);
  EXPECT_EQ(a.of(LoadClass::kSmall).quantile(0.99), millis(5));
}

TEST(Recorder, SlicesOfAllRequestsHaveTheLargeOnesToo) {
  Recorder recorder(Nanos(0), millis(10), millis(1));
  recorder.record(reply(LoadClass::kSmall, millis(1)), millis(1) + micros(10));
  recorder.record(reply(LoadClass::kLarge, millis(1)), millis(1) + micros(900));
  recorder.finish();
  EXPECT_NEAR(recorder.slices().summary().p99_ns, 10'000, 500);
  EXPECT_NEAR(recorder.all_slices().summary().p99_ns, 900'000, 30'000);
}

}  // namespace
}  // namespace minos
