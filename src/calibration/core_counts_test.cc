#include "calibration/core_counts.h"

#include <gtest/gtest.h>

#include <set>

#include <nlohmann/json.hpp>

#include "calibration/report.h"
#include "sim/cost_profile.h"

namespace minos {
namespace {

double count_of(const CostSample& sample, double CostModel::* cost) {
  return sample.counts[index_of(cost)];
}

TEST(CoreCounts, AreReadFromTheLinesOfTheServer) {
  const auto cores = core_counts({{"policy", "elastic"},
                                  {"core:0:role", "any"},
                                  {"core:0:steps", "12"},
                                  {"core:1:steps", "345"},
                                  {"core:1:cpu_us", "7"},
                                  {"core:x:steps", "1"},
                                  {"core:9999999:steps", "1"},
                                  {"small:count", "3"}});
  ASSERT_EQ(cores.size(), 2U);
  EXPECT_EQ(cores[0], (CoreCounts{{"steps", 12}}));
  EXPECT_EQ(cores[1], (CoreCounts{{"steps", 345}, {"cpu_us", 7}}));
}

TEST(CoreCounts, DatagramsAreWhatTheSimulatorChargesFor) {
  const CoreCounts before = {{"steps", 100}, {"cpu_us", 1000}};
  const CoreCounts after = {{"steps", 150},       {"cpu_us", 1500},      {"requests", 60},
                            {"datagrams", 50},    {"set_fragments", 40}, {"hand_offs_in", 10},
                            {"hand_offs_out", 4}, {"cmd_set", 21},       {"replies", 21},
                            {"value_bytes", 999}, {"empty_polls", 5},    {"rx_stolen", 3}};
  const CostSample sample = sample_between(before, after, ProtocolKind::kUdp,
                                           {.name = "SETs", .value_bytes = 8, .set = true}, 1);
  EXPECT_EQ(sample.cpu_ns, 500'000);
  EXPECT_EQ(sample.core, 1U);
  EXPECT_EQ(count_of(sample, &CostModel::step_ns), 50);
  EXPECT_EQ(count_of(sample, &CostModel::empty_poll_ns), 5);
  EXPECT_EQ(count_of(sample, &CostModel::large_receive_ns), 30);  // 10 came over a ring
  EXPECT_EQ(count_of(sample, &CostModel::receive_ns), 20);
  EXPECT_EQ(count_of(sample, &CostModel::parse_ns), 60);
  EXPECT_EQ(count_of(sample, &CostModel::look_up_ns), 21);  // 20 whole ones, and one of fragments
  EXPECT_EQ(count_of(sample, &CostModel::write_ns), 21);
  EXPECT_EQ(count_of(sample, &CostModel::copy_byte_ns), 999);
  EXPECT_EQ(count_of(sample, &CostModel::ring_in_ns), 10);
  EXPECT_EQ(count_of(sample, &CostModel::ring_out_ns), 4);
  EXPECT_EQ(count_of(sample, &CostModel::steal_ns), 3);
}

TEST(CoreCounts, OfAStreamManyBytesArePackets) {
  // 100 GETs of 8 bytes, by 50 reads and 50 sends.
  const CoreCounts small = {{"requests", 100}, {"reads", 50},           {"sends", 50},
                            {"cpu_us", 1},     {"bytes_written", 3500}, {"bytes_read", 1400}};
  const CalibrationLoad tiny = {.name = "GET", .value_bytes = 8};
  const CostSample gets = sample_between({}, small, ProtocolKind::kMemcached, tiny, 0);
  EXPECT_EQ(count_of(gets, &CostModel::receive_ns), 50);
  EXPECT_EQ(count_of(gets, &CostModel::reply_ns), 50);
  EXPECT_EQ(count_of(gets, &CostModel::look_up_ns), 100);
  EXPECT_EQ(count_of(gets, &CostModel::large_packet_ns), 0);
  EXPECT_EQ(count_of(gets, &CostModel::copy_byte_ns), 800);
  // 10 GETs of 143,200 bytes, by 40 quanta.
  const CoreCounts large = {{"requests", 10}, {"large_requests", 10},      {"reads", 10},
                            {"sends", 40},    {"bytes_written", 1432'000}, {"quanta", 40},
                            {"cpu_us", 1}};
  const CostSample many = sample_between({}, large, ProtocolKind::kMemcached, {.name = "GET"}, 0);
  EXPECT_EQ(count_of(many, &CostModel::receive_ns), 10);
  EXPECT_EQ(count_of(many, &CostModel::reply_ns), 0);
  EXPECT_EQ(count_of(many, &CostModel::large_packet_ns), 1000);
  EXPECT_EQ(count_of(many, &CostModel::copy_byte_ns), 1432'000);
  // The same, stored: 1420 bytes a packet.
  const CoreCounts stored = {
      {"requests", 10}, {"large_requests", 10},   {"reads", 50}, {"sends", 10}, {"quanta", 40},
      {"cmd_set", 10},  {"bytes_read", 1420'000}, {"cpu_us", 1}};
  const CostSample sets =
      sample_between({}, stored, ProtocolKind::kMemcached, {.name = "SET", .set = true}, 0);
  EXPECT_EQ(count_of(sets, &CostModel::receive_ns), 0);
  EXPECT_EQ(count_of(sets, &CostModel::large_receive_ns), 1000);
  EXPECT_EQ(count_of(sets, &CostModel::parse_ns), 1010);
  EXPECT_EQ(count_of(sets, &CostModel::reply_ns), 10);
}

TEST(Loads, HaveNamesOfTheirOwn) {
  for (const ProtocolKind on :
       {ProtocolKind::kMemcached, ProtocolKind::kUdp, ProtocolKind::kDpdk}) {
    std::set<std::string> names;
    std::size_t loads = 0;
    for (const CalibrationSuite& suite : calibration_suites(on)) {
      EXPECT_LE(suite.server.threads, 2);
      for (const CalibrationLoad& load : suite.loads) names.insert(load.name);
      loads += suite.loads.size();
    }
    EXPECT_EQ(names.size(), loads);
    EXPECT_GT(loads, kCostFieldCount);
  }
}

TEST(Report, TellsCostsAndErrors) {
  Calibration calibration;
  calibration.built_in = *cost_model_named("dpdk");
  CostSample sample{.load = "GET", .cpu_ns = 5000, .requests = 10};
  sample.counts[index_of(&CostModel::receive_ns)] = 10;
  calibration.samples = {sample, sample};
  calibration.samples[1].load = "more";
  calibration.samples[1].cpu_ns = 6000;
  calibration.fit = fit_costs(calibration.samples, calibration.built_in, {});
  calibration.fit.costs.name = "dpdk";
  const auto json = calibration_json(calibration);
  EXPECT_EQ(parse_cost_profile(json.dump()).value(), calibration.fit.costs);
  EXPECT_EQ(json["load_count"], 2);
  EXPECT_EQ(json["how"]["receive_ns"], "fitted");
  EXPECT_EQ(json["how"]["steal_ns"], "built in: no load has any");
  EXPECT_NEAR(json["loads"][0]["error_percent"].get<double>(), 8.2, 0.1);
  const std::string text = calibration_text(calibration);
  EXPECT_NE(text.find("receive_ns"), text.npos);
  EXPECT_NE(text.find("2 loads, error"), text.npos);
}

}  // namespace
}  // namespace minos
