#include "experiment/campaign.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <mutex>
#include <set>

#include "experiment/testing/stub_points.h"

namespace minos {
namespace {

std::vector<Experiment> whole_catalogue() {
  return *experiments_named(kAllExperiments);
}

std::expected<PointResult, std::string> measure_stub(const PointSpec& spec) {
  return stub_point(spec);
}

TEST(Catalogue, HasNineExperimentsWithNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Experiment& experiment : all_experiments()) {
    names.insert(experiment.name);
    EXPECT_FALSE(experiment.workloads.empty()) << experiment.name;
    EXPECT_FALSE(experiment.loads.empty()) << experiment.name;
    EXPECT_TRUE(std::ranges::is_sorted(experiment.loads)) << experiment.name;
    if (experiment.view == ExperimentView::kSweep) {
      EXPECT_EQ(experiment.values.size(), experiment.workloads.size()) << experiment.name;
      EXPECT_TRUE(experiment.find_slo) << experiment.name;
    }
  }
  EXPECT_EQ(names.size(), 9U);
}

TEST(Catalogue, SummarisesTheEightWorkloadsOfThePaper) {
  std::set<std::string> workloads;
  for (const Experiment& experiment : all_experiments()) {
    if (!experiment.summarised) continue;
    for (const Workload& workload : experiment.workloads) workloads.insert(workload.name);
  }
  EXPECT_THAT(workloads, testing::UnorderedElementsAre("default", "GET:PUT 50:50", "p_L 0.0625 %",
                                                       "p_L 0.25 %", "p_L 0.5 %", "p_L 0.75 %",
                                                       "s_L 250 KB", "s_L 1000 KB"));
}

TEST(Catalogue, KnowsExperimentsByName) {
  ASSERT_EQ(experiments_named("balance")->size(), 1U);
  EXPECT_EQ(experiments_named("balance")->front().name, "balance");
  EXPECT_THAT(experiments_named("balanse").error(),
              testing::AllOf(testing::HasSubstr("\"balanse\""), testing::HasSubstr("balance"),
                             testing::HasSubstr("all")));
}

TEST(Campaign, MeasuresAWorkloadOnceForAllExperimentsThatShowIt) {
  const auto experiments = whole_catalogue();
  const Campaign campaign = plan_campaign(experiments);
  std::set<std::pair<std::string, PolicyKind>> seen;
  for (const Series& series : campaign.series) {
    EXPECT_TRUE(seen.emplace(series.workload.name, series.policy).second) << series.workload.name;
    EXPECT_TRUE(std::ranges::is_sorted(series.loads));
    EXPECT_EQ(std::ranges::adjacent_find(series.loads), series.loads.end());
  }
  for (const Experiment& experiment : experiments) {
    for (const Workload& workload : experiment.workloads) {
      const Series* const series = campaign.find(workload.name, PolicyKind::kElastic);
      ASSERT_NE(series, nullptr);
      EXPECT_TRUE(std::ranges::includes(series->loads, experiment.loads)) << experiment.name;
      EXPECT_TRUE(series->find_slo || !experiment.find_slo) << experiment.name;
    }
  }
}

TEST(Campaign, FindsWhereTheSloBreaks) {
  Campaign campaign = plan_campaign(*experiments_named("throughput"));
  ASSERT_TRUE(run_campaign(campaign, measure_stub, 1, {}));
  // p99 is 2.5 / (1 - load) and 5 / (1 - load) µs, the SLO 10 µs.
  const Series* const elastic = campaign.find("default", PolicyKind::kElastic);
  EXPECT_NEAR(*elastic->slo_load, 0.75, kSloResolution);
  EXPECT_NEAR(*campaign.find("default", PolicyKind::kKeyHash)->slo_load, 0.5, kSloResolution);
  ASSERT_NE(elastic->at(*elastic->slo_load), nullptr);
  EXPECT_NEAR(elastic->at(*elastic->slo_load)->throughput_mops, 6, 8 * kSloResolution);
  EXPECT_TRUE(std::ranges::is_sorted(elastic->points, {}, &PointResult::load));
}

TEST(Campaign, ResultsDoNotDependOnTheNumberOfThreads) {
  Campaign one = plan_campaign(whole_catalogue());
  Campaign four = one;
  ASSERT_TRUE(run_campaign(one, measure_stub, 1, {}));
  ASSERT_TRUE(run_campaign(four, measure_stub, 4, {}));
  for (std::size_t i = 0; i < one.series.size(); ++i) {
    ASSERT_EQ(one.series[i].points.size(), four.series[i].points.size());
    EXPECT_EQ(one.series[i].slo_load, four.series[i].slo_load);
    for (std::size_t p = 0; p < one.series[i].points.size(); ++p) {
      EXPECT_EQ(one.series[i].points[p].load, four.series[i].points[p].load);
    }
  }
}

TEST(Campaign, ReportsProgressUpToTheEnd) {
  Campaign campaign = plan_campaign(whole_catalogue());
  CampaignProgress last;
  CampaignHooks hooks;
  hooks.progress = [&](const CampaignProgress& progress) {
    EXPECT_GE(progress.done, last.done);
    EXPECT_LE(progress.done, progress.total);
    last = progress;
  };
  ASSERT_TRUE(run_campaign(campaign, measure_stub, 2, hooks));
  EXPECT_GT(last.total, 0U);
  EXPECT_EQ(last.done, last.total);
}

TEST(Campaign, AnInterruptKeepsWhatWasDone) {
  Campaign campaign = plan_campaign(*experiments_named("throughput"));
  std::atomic<bool> stop = false;
  int measured = 0;
  const auto measure = [&](const PointSpec& spec) {
    if (++measured == 4) stop = true;
    return measure_stub(spec);
  };
  CampaignHooks hooks;
  hooks.interrupted = &stop;
  EXPECT_FALSE(run_campaign(campaign, measure, 1, hooks));
  EXPECT_EQ(measured, 4);
  EXPECT_EQ(campaign.series[0].points.size(), 4U);
  EXPECT_FALSE(campaign.series[0].slo_load.has_value());
  EXPECT_EQ(campaign.series[0].error, "");
  EXPECT_TRUE(campaign.series[1].points.empty());
}

TEST(Campaign, AnErrorEndsItsSeriesOnly) {
  Campaign campaign = plan_campaign(*experiments_named("throughput"));
  const auto measure = [](const PointSpec& spec) -> std::expected<PointResult, std::string> {
    if (spec.policy == PolicyKind::kKeyHash && spec.load > 0.4) return std::unexpected("no memory");
    return stub_point(spec);
  };
  EXPECT_FALSE(run_campaign(campaign, measure, 2, {}));
  const Series* const failed = campaign.find("default", PolicyKind::kKeyHash);
  EXPECT_EQ(failed->error, "no memory");
  EXPECT_EQ(failed->points.size(), 4U);
  EXPECT_TRUE(campaign.find("default", PolicyKind::kWorkStealing)->slo_load.has_value());
}

TEST(Campaign, SideBySideMeasuresAllPoliciesLoadByLoad) {
  const std::vector<PolicyKind> two = {PolicyKind::kElastic, PolicyKind::kKeyHash};
  Campaign campaign = plan_campaign(*experiments_named("throughput"), two);
  std::vector<double> loads;
  CampaignProgress last;
  CampaignHooks hooks;
  hooks.progress = [&](const CampaignProgress& progress) { last = progress; };
  const auto measure = [&](const Workload& workload, double load,
                           std::span<const PolicyKind> policies) {
    EXPECT_TRUE(std::ranges::equal(policies, two));
    loads.push_back(load);
    std::vector<PointResult> results;
    for (const PolicyKind policy : policies) {
      results.push_back(stub_point({.workload = workload, .policy = policy, .load = load}));
    }
    return std::expected<std::vector<PointResult>, SideBySideError>(std::move(results));
  };
  ASSERT_TRUE(run_side_by_side(campaign, measure, hooks));
  EXPECT_EQ(loads, campaign.series[0].loads);
  EXPECT_EQ(last.done, last.total);
  EXPECT_EQ(last.total, 2 * loads.size());
  // p99 is 2.5 / (1 - load) and 5 / (1 - load) µs, the SLO 10 µs.
  EXPECT_EQ(campaign.find("default", PolicyKind::kElastic)->slo_load, 0.75);
  EXPECT_EQ(campaign.find("default", PolicyKind::kKeyHash)->slo_load, 0.5);
}

TEST(Slo, WantsShortTailsAndAnswers) {
  PointResult point;
  point.mean_service_us = 1;
  EXPECT_FALSE(keeps_slo(point));
  point.all = {.count = 100'000, .p99_us = 10};
  EXPECT_TRUE(keeps_slo(point));
  point.failed = 100;
  EXPECT_TRUE(keeps_slo(point));
  point.failed = 102;
  EXPECT_FALSE(keeps_slo(point));
  point.failed = 0;
  point.all.p99_us = 10.1;
  EXPECT_FALSE(keeps_slo(point));
}

}  // namespace
}  // namespace minos
