#include "experiment/sim_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment/catalogue.h"

namespace minos {
namespace {

PointSpec spec_of(std::string_view experiment, std::size_t workload = 0) {
  const Experiment found = experiments_named(experiment)->front();
  return {.workload = found.workloads[workload],
          .policy = PolicyKind::kSizeAware,
          .load = found.loads.front()};
}

TEST(SimPoints, EveryPointOfTheCatalogueIsOneThatTheSimulatorTakes) {
  const SimPointOptions options;
  for (const Experiment& experiment : all_experiments()) {
    for (std::size_t i = 0; i < experiment.workloads.size(); ++i) {
      const auto sim = sim_options_of(spec_of(experiment.name, i), options, 1e7);
      ASSERT_TRUE(sim.has_value());
      const auto checked = check_sim_options(*sim);
      EXPECT_TRUE(checked.has_value()) << experiment.name << ": " << checked.error();
      EXPECT_EQ(sim->policy, PolicyKind::kSizeAware);
    }
  }
}

TEST(SimPoints, WorkloadsBecomeOptions) {
  const SimPointOptions options{.cores = 4, .requests = 77, .seed = 9};
  const auto answered = sim_options_of(spec_of("answered-share", 1), options, 0);
  EXPECT_EQ(answered->cores, 4);
  EXPECT_EQ(answered->requests, 77U);
  EXPECT_EQ(answered->seed, 9U);
  EXPECT_EQ(answered->costs.name, "dpdk");
  EXPECT_DOUBLE_EQ(answered->answered_percent, 50);
  EXPECT_DOUBLE_EQ(answered->link_gbit_s, 40);
  const auto ideal = sim_options_of(spec_of("motivating", 2), options, 0);
  EXPECT_TRUE(ideal->costs.ideal);
  EXPECT_EQ(ideal->sizes, SimSizes::kBimodal);
  EXPECT_EQ(ideal->large_factor, 1000U);
  EXPECT_DOUBLE_EQ(ideal->link_gbit_s, 0);

  SimPointOptions unknown = options;
  unknown.profile = "fast";
  EXPECT_THAT(sim_options_of(spec_of("throughput"), unknown, 0).error(),
              testing::HasSubstr("fast"));
}

TEST(SimPoints, PhasesHaveTheRequestsAndEpochsThatTheyShould) {
  const SimPointOptions options{.requests = 1000};
  const PointSpec spec = spec_of("changing-share");
  const auto sim = sim_options_of(spec, options, 4e6);  // a phase of 4000 requests in 1 ms
  ASSERT_EQ(sim->phases.size(), 7U);
  EXPECT_EQ(sim->requests, 28'000U);
  EXPECT_EQ(sim->epoch, micros(50));
  EXPECT_EQ(sim->timeline_every, micros(100));
  EXPECT_EQ(sim->phases[0].at, Nanos(0));
  EXPECT_EQ(sim->phases[1].at, micros(700 + 1000));  // after a warm-up of 10 % of the run
  EXPECT_EQ(sim->phases[2].at, micros(700 + 2000));
  EXPECT_DOUBLE_EQ(sim->phases[3].large_percent, 0.75);

  SimResult result;
  for (int i = 1; i <= 80; ++i) {
    result.timeline.push_back({.until = micros(100) * i, .requests = 50, .p99_us = 1.0 * i});
  }
  const PointResult point = point_of(spec, *sim, result);
  ASSERT_EQ(point.windows.size(), 70U);  // neither of the warm-up nor of what came after
  EXPECT_DOUBLE_EQ(point.windows[0].start_us, 0);
  EXPECT_DOUBLE_EQ(point.windows[0].all_p99_us, 8);
  EXPECT_DOUBLE_EQ(point.windows[9].large_percent, 0.125);
  EXPECT_DOUBLE_EQ(point.windows[10].large_percent, 0.25);
  EXPECT_DOUBLE_EQ(point.windows[69].large_percent, 0.125);
}

TEST(SimPoints, ResultsKeepWhatAReportShows) {
  SimResult result;
  result.all = {.count = 10, .mean_us = 1, .p50_us = 2, .p99_us = 3, .p999_us = 4};
  result.large.count = 5;
  result.lost = 1;
  result.busy = 2;
  result.missed = 3;
  result.unanswered = 4;
  result.cores.push_back({.utilisation = 0.5, .requests = 7, .packets_in = 8, .packets_out = 9});
  result.plans.push_back({.threshold_bytes = 1400, .roles = {CoreRole::kSmall, CoreRole::kLarge}});
  const PointResult point = point_of(spec_of("throughput"), {}, result);
  EXPECT_DOUBLE_EQ(point.all.p99_us, 3);
  EXPECT_EQ(point.large.count, 5U);
  EXPECT_EQ(point.failed, 10U);
  EXPECT_EQ(point.cores[0].packets, 17U);
  EXPECT_EQ(point.large_cores, 1U);
  EXPECT_EQ(point.threshold_bytes, 1400U);
  EXPECT_TRUE(point.windows.empty());
}

}  // namespace
}  // namespace minos
