#include "experiment/summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment/testing/stub_points.h"

namespace minos {
namespace {

using testing::HasSubstr;

struct SummaryTest : testing::Test {
  std::vector<Experiment> experiments = *experiments_named("throughput");
  Campaign campaign = plan_campaign(experiments);

  void run() {
    const auto measure = [this](const PointSpec& spec) {
      auto result = std::expected<PointResult, std::string>(stub_point(spec));
      if (spec.policy == favoured && spec.load > 0.9) result->all.p99_us /= 4;
      if (spec.policy == PolicyKind::kSoftwareHandoff && spec.load > 0.9) result->failed = 500;
      return result;
    };
    run_campaign(campaign, measure, 1, {});
  }

  PolicyKind favoured = PolicyKind::kElastic;
};

TEST_F(SummaryTest, RatiosAreAgainstTheBestSizeUnawarePolicy) {
  run();
  const auto throughput = throughput_ratio(campaign, "default", PolicyKind::kElastic);
  ASSERT_TRUE(throughput.has_value());
  EXPECT_NEAR(throughput->ratio, 0.75 / 0.5, 0.02);
  EXPECT_NEAR(throughput_ratio(campaign, "default", PolicyKind::kSizeAware)->ratio, 1, 1e-9);

  // Twice everywhere, and eight times above 90 %.
  const auto p99 = p99_ratio(campaign, experiments[0], "default", PolicyKind::kElastic);
  ASSERT_TRUE(p99.has_value());
  EXPECT_NEAR(p99->ratio, 8, 1e-9);
  EXPECT_DOUBLE_EQ(p99->load, 0.95);
}

TEST_F(SummaryTest, APolicyThatFailsRequestsIsNoCompetitorThere) {
  favoured = PolicyKind::kSoftwareHandoff;
  run();
  // Its short tail above 90 % is that of the requests that it answered.
  EXPECT_NEAR(p99_ratio(campaign, experiments[0], "default", PolicyKind::kElastic)->ratio, 2, 1e-9);
}

TEST_F(SummaryTest, NothingIsSaidOfWhatWasNotMeasured) {
  EXPECT_FALSE(slo_limit(campaign, "default", PolicyKind::kElastic).has_value());
  EXPECT_FALSE(throughput_ratio(campaign, "default", PolicyKind::kElastic).has_value());
  EXPECT_FALSE(p99_ratio(campaign, experiments[0], "default", PolicyKind::kElastic).has_value());
  EXPECT_THAT(html_of(summary_table(experiments, campaign)), HasSubstr("<td>–</td>"));
}

TEST_F(SummaryTest, Tables) {
  run();
  const Table people = summary_table(experiments, campaign);
  ASSERT_EQ(people.rows.size(), 1U);
  EXPECT_EQ(people.rows[0][0], "default");
  EXPECT_THAT(people.rows[0][1], HasSubstr("75.0 % (6.00)"));
  EXPECT_THAT(people.rows[0][6], HasSubstr("1.50 ×"));
  EXPECT_THAT(people.rows[0][8], HasSubstr("8.00 × at 95 %"));

  const Table classes = classes_table(experiments, campaign);
  EXPECT_EQ(classes.rows[0][1], "25.0 ×");               // small: 2.5 / (1 - 0.9)
  EXPECT_THAT(classes.rows[0][6], HasSubstr("0.50 ×"));  // large, elastic over the best

  const Table programs = summary_csv(experiments, campaign);
  EXPECT_EQ(programs.rows.size(), compared_policies().size());
  EXPECT_EQ(programs.rows[0][1], "elastic");
  EXPECT_EQ(programs.rows[0][2], "0.75");
}

TEST(ShortNumber, HasThreeDigits) {
  EXPECT_EQ(short_number(0.1234), "0.12");
  EXPECT_EQ(short_number(9.999), "10.0");
  EXPECT_EQ(short_number(99.96), "100");
  EXPECT_EQ(short_number(123456.7), "123457");
}

}  // namespace
}  // namespace minos
