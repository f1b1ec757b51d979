#include "experiment/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "experiment/figures.h"
#include "experiment/testing/stub_points.h"

namespace minos {
namespace {

using testing::HasSubstr;
using testing::Not;

const ReportFacts kFacts{.command = "minos experiment all --note=<&>",
                         .version = "0.1.0",
                         .profile = "dpdk",
                         .seed = 7,
                         .cores = 8,
                         .requests = 1000};

std::size_t count_of(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

struct ReportTest : testing::Test {
  std::vector<Experiment> experiments = *experiments_named(kAllExperiments);
  Campaign campaign = plan_campaign(experiments);

  void measure_all() {
    run_campaign(campaign,
                 [](const PointSpec& spec) {
                   return std::expected<PointResult, std::string>(stub_point(spec));
                 },
                 2, {});
  }
};

TEST_F(ReportTest, PageHasEveryExperimentAndSaysHowItWasMade) {
  measure_all();
  const std::string page = report_html(experiments, campaign, kFacts);
  std::size_t plots = 0;
  for (const Experiment& experiment : experiments) {
    EXPECT_THAT(page, HasSubstr("<section id=\"" + experiment.name + "\">"));
    plots += plots_of(experiment, campaign).size();
  }
  EXPECT_EQ(count_of(page, "<svg "), plots);
  EXPECT_EQ(count_of(page, "<table>"), experiments.size() + 2);  // and two of the summary
  EXPECT_THAT(page, HasSubstr("minos experiment all --note=&lt;&amp;&gt;"));
  EXPECT_THAT(page, HasSubstr("version 0.1.0: profile dpdk, 8 cores, 1000 requests"));
  EXPECT_THAT(page, HasSubstr("seed 7"));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  EXPECT_THAT(page, Not(HasSubstr("did not run to its end")));
  EXPECT_EQ(page, report_html(experiments, campaign, kFacts));
}

TEST_F(ReportTest, EveryPlotDrawsAllPoliciesThatItIsAbout) {
  measure_all();
  for (const Experiment& experiment : experiments) {
    for (const Plot& plot : plots_of(experiment, campaign)) {
      const bool of_large_cores = plot.title == "Cores for large requests";
      const auto policies = of_large_cores ? size_aware_policies() : compared_policies();
      EXPECT_EQ(count_of(svg_of(plot), "class=\"series\""), policies.size())
          << experiment.name << ": " << plot.title;
    }
  }
}

TEST_F(ReportTest, OnePolicyMayHaveMoreCoresThanTheOthers) {
  experiments = *experiments_named("balance");
  campaign = plan_campaign(experiments);
  measure_all();
  campaign.series.back().points[0].cores.push_back({.requests = 9});
  const Table table = table_of(experiments[0], campaign);
  EXPECT_EQ(table.columns.back(), "core 8");
  EXPECT_EQ(table.rows.front().back(), "–");
  EXPECT_EQ(count_of(report_html(experiments, campaign, kFacts), "<td>–</td>"), 4U * 3U);
}

TEST_F(ReportTest, MarksPointsThatDidNotAnswer) {
  measure_all();
  EXPECT_THAT(report_html(experiments, campaign, kFacts), Not(HasSubstr(" †</td>")));
  campaign.series[0].points[0].failed = 500;
  EXPECT_THAT(report_html(experiments, campaign, kFacts), HasSubstr("<td>2.78 †</td>"));
}

TEST_F(ReportTest, PageOfNothingMeasuredYet) {
  ReportFacts facts = kFacts;
  facts.complete = false;
  campaign.series[0].error = "out of <memory>";
  const std::string page = report_html(experiments, campaign, facts);
  EXPECT_THAT(page, HasSubstr("did not run to its end"));
  EXPECT_THAT(page, HasSubstr("default, elastic: out of &lt;memory&gt;"));
  EXPECT_EQ(count_of(page, "<section"), experiments.size() + 1);
}

TEST_F(ReportTest, CsvHasARowForEachPoint) {
  measure_all();
  const Experiment& throughput = experiments[0];
  std::size_t points = 0;
  for (const PolicyKind policy : compared_policies()) {
    points += campaign.find("default", policy)->points.size();
  }
  const Table table = points_csv(throughput, campaign, kFacts);
  EXPECT_EQ(table.rows.size(), points);
  for (const auto& row : table.rows) ASSERT_EQ(row.size(), table.columns.size());
  EXPECT_THAT(csv_of(table), HasSubstr("throughput,default,elastic,0.1,dpdk,8,7,1000,0.125,500000,,"
                                       "0.95,100,,8,1,0.8,0.8,0,1000,1,1,2.77778,"));
  // An experiment that searches nothing shows nothing of a search on the same workload.
  EXPECT_EQ(points_csv(experiments[1], campaign, kFacts).rows.size(),
            experiments[1].loads.size() * compared_policies().size());
}

TEST_F(ReportTest, OfARealServerSaysOnWhatItRanAndWhatIsMissing) {
  measure_all();
  ReportFacts facts = kFacts;
  facts.profile = "udp";
  facts.cores = 1;
  facts.live = LiveFacts{.transport = "udp",
                         .machine = "2 CPUs (Some CPU)",
                         .seconds = 3,
                         .turns = 5,
                         .slice_ms = 10,
                         .keys = 1000,
                         .large_keys = 10,
                         .left_out = {"The policy x is left out: <why>."}};
  const std::string page = report_html(experiments, campaign, facts);
  EXPECT_THAT(page, HasSubstr("minosd over udp with 1 core, the load generator on a CPU of its "
                              "own, on 2 CPUs (Some CPU)"));
  EXPECT_THAT(page, HasSubstr("slices of at least 10 ms"));
  EXPECT_THAT(page, HasSubstr("The policy x is left out: &lt;why&gt;."));
  EXPECT_THAT(page, HasSubstr("of those measured"));
  EXPECT_THAT(page, Not(HasSubstr("virtual time")));

  campaign.series[0].points[0].all.mean_us = std::numeric_limits<double>::quiet_NaN();
  campaign.series[0].points[0].all.raw_p99_us = 77;
  const Table table = points_csv(experiments[0], campaign, facts);
  for (const auto& row : table.rows) ASSERT_EQ(row.size(), table.columns.size());
  EXPECT_THAT(csv_of(table), HasSubstr("throughput,default,elastic,0.1,udp,1,7,,0.125,500000,,"
                                       "0.95,100,,8,1,0.8,0.8,0,1000,,1,2.77778,0,0,0,77,"));
}

TEST_F(ReportTest, CsvOfCoresAndWindows) {
  measure_all();
  for (const Experiment& experiment : experiments) {
    if (experiment.view == ExperimentView::kCores) {
      EXPECT_EQ(cores_csv(experiment, campaign).rows.size(), 8 * compared_policies().size());
    }
    if (experiment.view == ExperimentView::kTimeline) {
      const Table windows = windows_csv(experiment, campaign);
      EXPECT_EQ(windows.rows.size(), 70 * compared_policies().size());
      for (const auto& row : windows.rows) ASSERT_EQ(row.size(), windows.columns.size());
    }
  }
}

TEST_F(ReportTest, WritesFilesAndNamesTheOneThatItCannotWrite) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "minos_report_test";
  std::filesystem::create_directories(folder);
  const auto two = *experiments_named("balance");
  ASSERT_TRUE(write_report(folder.string(), two, campaign, kFacts).has_value());
  std::stringstream text;
  text << std::ifstream(folder / "report.html").rdbuf();
  EXPECT_EQ(text.str(), report_html(two, campaign, kFacts));
  EXPECT_TRUE(std::filesystem::exists(folder / "balance.csv"));
  EXPECT_TRUE(std::filesystem::exists(folder / "balance_cores.csv"));
  std::filesystem::remove_all(folder);
  EXPECT_THAT(write_report(folder.string(), two, campaign, kFacts).error(),
              HasSubstr("report.html"));
}

}  // namespace
}  // namespace minos
