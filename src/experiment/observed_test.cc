#include "experiment/observed.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace minos {
namespace {

const StatLines kGeneral = {{"version", "0.1.0"}, {"curr_items", "1000"}};
const StatLines kSettings = {{"num_threads", "4"}, {"sharding", "size-aware"},
                             {"dispatchers", "1"}, {"quantum_bytes", "32768"},
                             {"epoch_ms", "1000"}, {"large_percentile", "99.5"},
                             {"smoothing", "0.9"}};
const StatLines kMinos = {{"threshold_bytes", "8703"}, {"threshold_min_bytes", "8192"}};

StatLines with(StatLines lines, std::string_view name, std::string value) {
  for (auto& line : lines) {
    if (line.first == name) line.second = std::move(value);
  }
  return lines;
}

std::string server_error(const StatLines& general, const StatLines& settings,
                         const StatLines& minos) {
  const auto server = parse_server(general, settings, minos);
  return server ? "none" : server.error();
}

ObservedServer a_server() {
  return parse_server(kGeneral, kSettings, kMinos).value();
}

TEST(ParseServer, TakesWhatDecidesLatencies) {
  const ObservedServer server = a_server();
  EXPECT_EQ(server.version, "0.1.0");
  EXPECT_EQ(server.policy, PolicyKind::kSizeAware);
  EXPECT_EQ(server.threads, 4);
  EXPECT_EQ(server.keys, 1000U);
  EXPECT_EQ(server.large_percentile, 99.5);
  EXPECT_EQ(server.epoch, std::chrono::seconds(1));
  EXPECT_EQ(server.quantum_bytes, 32768U);
  EXPECT_EQ(server.threshold_bytes, 8703U);
  EXPECT_EQ(server.threshold_min_bytes, 8192U);
}

TEST(ParseServer, NamesTheLineThatIsWrong) {
  EXPECT_EQ(server_error(kGeneral, with(kSettings, "num_threads", "129"), kMinos),
            "stats settings: line 'num_threads 129': a number from 1 to 128 is expected");
  EXPECT_EQ(server_error(kGeneral, with(kSettings, "num_threads", "70000"), kMinos),
            "stats settings: line 'num_threads 70000': a number from 1 to 128 is expected");
  EXPECT_EQ(server_error(kGeneral, with(kSettings, "epoch_ms", "nan"), kMinos),
            "stats settings: line 'epoch_ms nan': a number from 0.01 to 1000000000 is expected");
  EXPECT_TRUE(server_error(kGeneral, with(kSettings, "sharding", "best"), kMinos)
                  .starts_with("stats settings: line 'sharding': no policy is called 'best'"));
  EXPECT_EQ(server_error({}, kSettings, kMinos), "stats: there is no line 'version'");
  EXPECT_EQ(server_error(kGeneral, kSettings, {kMinos[0]}),
            "stats minos: there is no line 'threshold_min_bytes'");
}

StatLines size_stats(StatLines sizes) {
  sizes.insert(sizes.begin(), {{"counted_us", "2000000"}, {"without_value", "5"}});
  return sizes;
}

TEST(ParseLoad, CountsReadsAndWritesByClass) {
  const auto load = parse_load(size_stats(
      {{"size:100:103:read", "90"}, {"size:100:103:written", "4"}, {"size:5:5:read", "1"}}));
  ASSERT_TRUE(load) << load.error();
  EXPECT_EQ(load->seconds, 2);
  EXPECT_EQ(load->requests(), 100U);
  EXPECT_EQ(load->rate_per_s(), 50);
  EXPECT_EQ(load->sizes.read.count(size_class_of(101)), 90U);
  EXPECT_EQ(load->sizes.written.count(size_class_of(101)), 4U);
}

TEST(ParseLoad, NamesTheLineThatIsWrong) {
  const struct {
    std::string name;
    std::string value;
  } kWrong[] = {
      {"size:", "1"},
      {"size:100:103", "1"},
      {"size:100:104:read", "1"},
      {"size:101:103:read", "1"},
      {"size:-1:103:read", "1"},
      {"size:100:103:stolen", "1"},
      {"size:100:103:read:", "1"},
      {"size:18446744073709551615:18446744073709551615:read", "1"},
      {"size:4294967296:4294967297:read", "1"},
      {"size:100:103:read", ""},
      {"size:100:103:read", "-1"},
      {"size:100:103:read", "1.5"},
      {"size:100:103:read", "18446744073709551615"},
  };
  for (const auto& line : kWrong) {
    const auto load = parse_load(size_stats({{line.name, line.value}}));
    ASSERT_FALSE(load) << line.name;
    const std::string start = "stats minos sizes: line '" + line.name + " " + line.value + "': ";
    EXPECT_TRUE(load.error().starts_with(start)) << load.error();
  }
  const auto twice = parse_load(size_stats({{"size:5:5:read", "1"}, {"size:5:5:read", "2"}}));
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error(), "stats minos sizes: line 'size:5:5:read 2': the second of its kind");
  EXPECT_LT(parse_load(size_stats({{"size:" + std::string(100'000, '7'), "1"}})).error().size(),
            300U);
}

TEST(ParseLoad, MissesALineThatIsNotThere) {
  EXPECT_EQ(parse_load({}).error(), "stats minos sizes: there is no line 'counted_us'");
  EXPECT_EQ(parse_load({{"counted_us", "1"}}).error(),
            "stats minos sizes: there is no line 'without_value'");
}

ObservedLoad load_of(std::uint64_t reads, std::uint64_t writes, double seconds) {
  ObservedLoad load;
  load.seconds = seconds;
  load.sizes.read.record(100, reads);
  load.sizes.written.record(20'000, writes);
  return load;
}

TEST(LoadBetween, IsWhatCame) {
  const auto load = load_between(load_of(10, 5, 1), load_of(110, 6, 3));
  ASSERT_TRUE(load) << load.error();
  EXPECT_EQ(load->seconds, 2);
  EXPECT_EQ(load->sizes.read.count(), 100U);
  EXPECT_EQ(load->sizes.written.count(), 1U);
  EXPECT_EQ(load_between({}, load_of(3, 4, 5))->requests(), 7U);
}

TEST(LoadBetween, SaysWhyThereIsNone) {
  const std::string back =
      "its counts went back: it was started anew, or its statistics were reset, meanwhile";
  EXPECT_EQ(load_between(load_of(10, 5, 1), load_of(9, 6, 2)).error(), back);
  EXPECT_EQ(load_between(load_of(10, 5, 1), load_of(10, 4, 2)).error(), back);
  EXPECT_EQ(load_between(load_of(10, 5, 2), load_of(11, 6, 1)).error(), back);
  EXPECT_EQ(load_between(load_of(10, 5, 1), load_of(10, 5, 2)).error(), "no request came in 1.0 s");
}

TEST(LargeAbove, IsTheThresholdInForceOrThatToBe) {
  ObservedServer server = a_server();
  ObservedLoad load = load_of(98, 2, 1);
  EXPECT_EQ(large_above_bytes(server, load), 8703U);
  server.threshold_bytes = UINT64_MAX;
  server.large_percentile = 97;
  EXPECT_EQ(large_above_bytes(server, load), upper_bytes(size_class_of(8192)));
  server.large_percentile = 99;
  EXPECT_EQ(large_above_bytes(server, load), upper_bytes(size_class_of(20'000)));
  EXPECT_EQ(large_above_bytes(server, {}), upper_bytes(size_class_of(8192)));
}

TEST(Summarise, SaysWhatIsLarge) {
  const ObservedLoad load = load_of(990, 10, 1);
  const LoadSummary summary = summarise(a_server(), load);
  EXPECT_DOUBLE_EQ(summary.get_share, 0.99);
  EXPECT_DOUBLE_EQ(summary.large_share, 0.01);
  EXPECT_NEAR(summary.large_bytes_share, 200'000.0 / 299'000, 0.02);
  EXPECT_EQ(summary.value_bytes_p50, 103U);
  EXPECT_EQ(summary.value_bytes_max, upper_bytes(size_class_of(20'000)));
}

TEST(SizeShares, KeepCountAndBytesOfEveryClass) {
  ObservedLoad load;
  load.seconds = 1;
  std::uint64_t requests = 0;
  for (SizeClass i = 0; upper_bytes(i) <= kMiB; ++i) {
    load.sizes.read.add(i, 3 * i + 1);
    load.sizes.written.add(i, i % 2);
    requests += 3 * i + 1 + i % 2;
  }
  const auto shares = size_shares(load, 8703);
  double total = 0;
  for (const SimSizeShare& share : shares) {
    const SizeClass size_class = size_class_of(share.value_bytes);
    if (share.value_bytes > 1) {
      const auto count = static_cast<double>(load.sizes.read.count(size_class) +
                                             load.sizes.written.count(size_class));
      EXPECT_EQ(share.share, count) << share.value_bytes;
      EXPECT_EQ(share.get_ratio, static_cast<double>(load.sizes.read.count(size_class)) / count);
    }
    EXPECT_EQ(share.large, share.value_bytes > 8703);
    total += share.share;
  }
  EXPECT_EQ(total, static_cast<double>(requests));
}

TEST(SizeShares, TakeBoundedMemoryWhateverCame) {
  ObservedLoad load;
  load.seconds = 1;
  load.without_value = 7;
  for (SizeClass i = 0; i < kSizeClasses; ++i) load.sizes.written.add(i, 1);
  const auto shares = size_shares(load, kMiB);
  double total = 0;
  std::uint64_t above_a_mib = 0;
  for (const SimSizeShare& share : shares) {
    total += share.share;
    EXPECT_EQ(share.large, share.value_bytes > kMiB);
    if (share.value_bytes > kMiB) above_a_mib += share.value_bytes;
  }
  EXPECT_EQ(total, 7 + static_cast<double>(kSizeClasses));
  EXPECT_LE(above_a_mib, 256 * kMiB);
  EXPECT_EQ(shares.front().get_ratio, 1);  // without a value
}

TEST(AsObserved, IsWhatTheSimulatorTakes) {
  SimOptions base;
  base.costs = *cost_model_named("tcp");
  base.seed = 7;
  ObservedLoad load = load_of(990, 10, 1);
  const SimOptions sim = as_observed(base, a_server(), load);
  ASSERT_TRUE(check_sim_options(sim)) << check_sim_options(sim).error();
  EXPECT_EQ(sim.policy, PolicyKind::kSizeAware);
  EXPECT_EQ(sim.cores, 4);
  EXPECT_EQ(sim.rate_per_s, 1000);
  EXPECT_EQ(sim.keys, 1000U);
  EXPECT_EQ(sim.quantum_packets, 22U);
  EXPECT_EQ(sim.seed, 7U);
  EXPECT_EQ(sim.size_shares.size(), 2U);
}

}  // namespace
}  // namespace minos
