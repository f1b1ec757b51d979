#include "server/stats_report.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/hash.h"
#include "worker/planner.h"

namespace minos {
namespace {

constexpr std::uint16_t kWorkers = 2;
const Now kNow{Nanos(0), 1000};

ControllerOptions controller_options() {
  ControllerOptions options;
  options.cores = kWorkers;
  return options;
}

class StatsReportTest : public testing::Test {
 protected:
  StatsReportTest() {
    StoreOptions options;
    options.memory_bytes = 16 * kMiB;
    options.cores = kWorkers;
    store_ = std::move(KvStore::create(options).value());
    for (std::uint16_t i = 0; i < kWorkers; ++i) {
      workers_.push_back(std::make_unique<WorkerStats>());
    }
    report_ = std::make_unique<StatsReport>(
        StatsReport::Shared{options_, *store_, mesh_, plans_, registry_, workers_, planes_,
                            [this](std::size_t worker) { return threads_[worker]; }},
        1000);
  }

  void set(std::string_view key, std::string_view value, UnixSeconds expires_at = 0) {
    ASSERT_EQ(store_->core(CoreId{0}).put(StoreMode::kSet, key, hash_key(key), {0, expires_at},
                                          value, 0, kNow),
              StoreStatus::kStored);
  }

  // The value of one line of `stats ARGUMENT`.
  std::string stat(std::string_view argument, std::string_view name) {
    std::string text;
    EXPECT_TRUE(report_->append_stats(argument, now_, text));
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (word != name) continue;
      words >> word;
      return word;
    }
    return "absent";
  }

  void reset() {
    std::string text;
    EXPECT_TRUE(report_->append_stats("reset", now_, text));
    EXPECT_EQ(text, "RESET\r\n");
  }

  Now now_ = kNow;
  ServerOptions options_;
  std::unique_ptr<KvStore> store_;
  Mesh mesh_{kWorkers};
  PlanBoard plans_{Planner::initial(controller_options()), kWorkers};
  ConnectionRegistry registry_{2};
  std::vector<std::unique_ptr<WorkerStats>> workers_;
  std::uint64_t truncated_ = 3;
  std::vector<StatsReport::PlaneCounts> planes_{
      {"udp:[::1]:7", [this] { return std::vector<PlaneCount>{{"truncated", truncated_}}; }}};
  std::vector<ThreadUse> threads_ = {{micros(5), 6}, {micros(700), 8}};
  std::unique_ptr<StatsReport> report_;
};

TEST_F(StatsReportTest, ResetForgetsWhatWasCounted) {
  const std::string value(kInlineValueBytesMax, 'v');
  for (int i = 0; i < 4000; ++i) set("key" + std::to_string(i), value);
  for (int i = 0; i < 3; ++i) registry_.open(i, "peer", "local", 1000);
  for (const auto& worker : workers_) {
    worker->add(Counter::kCmdGet, 10);
    worker->add(Counter::kQuanta, 20);
    worker->queue_wait_ns[1].record(5000, 7);
    worker->service_ns[1].record(6000, 7);
    worker->sizes_read.record(100);
  }
  EXPECT_EQ(stat("", "total_items"), "4000");
  EXPECT_NE(stat("", "evictions"), "0");
  EXPECT_NE(stat("items", "items:1:evicted"), "0");
  EXPECT_EQ(stat("", "total_connections"), "2");
  EXPECT_EQ(stat("", "rejected_connections"), "1");
  EXPECT_EQ(stat("", "cmd_get"), "20");
  EXPECT_EQ(stat("minos", "core:1:quanta"), "20");
  EXPECT_EQ(stat("minos", "small:count"), "14");
  EXPECT_NE(stat("minos", "small:service_p99_us"), "0.0");
  EXPECT_EQ(stat("sizes", "128"), "2");
  const std::string items = stat("", "curr_items");
  const std::string bytes = stat("", "bytes");

  reset();
  for (const char* name : {"total_items", "evictions", "reclaimed", "total_connections",
                           "rejected_connections", "cmd_get"}) {
    EXPECT_EQ(stat("", name), "0") << name;
  }
  EXPECT_EQ(stat("items", "items:1:evicted"), "0");
  EXPECT_EQ(stat("minos", "core:1:quanta"), "0");
  EXPECT_EQ(stat("minos", "small:count"), "0");
  EXPECT_EQ(stat("minos", "small:queue_wait_p50_us"), "0.0");
  EXPECT_EQ(stat("minos", "small:service_p99_us"), "0.0");
  EXPECT_EQ(stat("sizes", "128"), "absent");
  // What is there stays.
  EXPECT_EQ(stat("", "curr_items"), items);
  EXPECT_EQ(stat("", "bytes"), bytes);
  EXPECT_EQ(stat("", "curr_connections"), "2");

  workers_[0]->add(Counter::kCmdGet);
  workers_[0]->service_ns[1].record(1000);
  workers_[0]->queue_wait_ns[1].record(1000);
  set("more", "v");
  EXPECT_EQ(stat("", "cmd_get"), "1");
  EXPECT_EQ(stat("", "total_items"), "1");
  EXPECT_EQ(stat("minos", "small:count"), "1");
}

TEST_F(StatsReportTest, PlanesAreCountedByTheReason) {
  EXPECT_EQ(stat("minos", "plane:0:name"), "udp:[::1]:7");
  EXPECT_EQ(stat("minos", "plane:0:truncated"), "3");
  reset();
  EXPECT_EQ(stat("minos", "plane:0:truncated"), "0");
  truncated_ = 5;
  EXPECT_EQ(stat("minos", "plane:0:truncated"), "2");
}

TEST_F(StatsReportTest, SizesAreCountedByClassAndKind) {
  now_.mono = millis(2);
  workers_[0]->sizes_read.record(100);
  workers_[1]->sizes_read.record(103);
  workers_[1]->sizes_written.record(100);
  workers_[0]->sizes_written.record(kItemBytesMax);
  workers_[0]->add(Counter::kGetMisses, 3);
  workers_[1]->add(Counter::kDeleteHits, 4);
  std::string text;
  EXPECT_TRUE(report_->append_stats("minos sizes", now_, text));
  EXPECT_EQ(text,
            "STAT counted_us 2000\r\nSTAT without_value 7\r\nSTAT size:100:103:read 2\r\n"
            "STAT size:100:103:written 1\r\nSTAT size:1073741824:1140850687:written 1\r\nEND\r\n");
  EXPECT_EQ(stat("sizes", "128"), "3");

  reset();
  now_.mono = millis(5);
  workers_[0]->sizes_read.record(5);
  text.clear();
  EXPECT_TRUE(report_->append_stats("minos sizes", now_, text));
  EXPECT_EQ(text,
            "STAT counted_us 3000\r\nSTAT without_value 0\r\nSTAT size:5:5:read 1\r\nEND\r\n");
}

TEST_F(StatsReportTest, TheLeastThresholdIsThatOfTheTransport) {
  options_.transports = {TransportKind::kTcp};
  EXPECT_EQ(stat("minos", "threshold_min_bytes"), "8192");
  options_.transports.push_back(TransportKind::kUdp);
  EXPECT_EQ(stat("minos", "threshold_min_bytes"), "1432");
}

TEST_F(StatsReportTest, ThreadsAreThoseOfEachWorker) {
  EXPECT_EQ(stat("minos", "core:0:cpu_us"), "5");
  EXPECT_EQ(stat("minos", "core:1:cpu_us"), "700");
  reset();
  threads_[1] = {micros(703), 12};
  EXPECT_EQ(stat("minos", "core:0:cpu_us"), "0");
  EXPECT_EQ(stat("minos", "core:1:cpu_us"), "3");
  EXPECT_EQ(stat("minos", "core:1:rests"), "4");
}

// A worker may note that a connection is gone before its giver notes that it came.
TEST_F(StatsReportTest, NoGaugeIsBelowNothing) {
  mesh_.note_gone(CoreId{1});
  EXPECT_EQ(stat("minos", "core:1:connections"), "0");
}

}  // namespace
}  // namespace minos
