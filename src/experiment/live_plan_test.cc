#include "experiment/live_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "experiment/live_servers.h"

namespace minos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(LivePlan, SaysWhatARealServerCannotBeAsked) {
  const LivePlan plan = plan_live(*experiments_named(kAllExperiments), compared_policies(), 4);
  std::vector<std::string> names;
  for (const Experiment& experiment : plan.experiments) names.push_back(experiment.name);
  EXPECT_THAT(names, ElementsAre("throughput", "large", "write-intensive", "large-share",
                                 "large-size", "balance"));
  EXPECT_EQ(plan.policies.size(), compared_policies().size());
  EXPECT_THAT(plan.left_out, ElementsAre(HasSubstr("answered-share"), HasSubstr("changing-share"),
                                         HasSubstr("motivating")));
}

TEST(LivePlan, ADispatcherAloneIsNoServer) {
  const LivePlan plan = plan_live(*experiments_named("throughput"), compared_policies(), 1);
  EXPECT_THAT(plan.policies, testing::Not(testing::Contains(PolicyKind::kSoftwareHandoff)));
  EXPECT_EQ(plan.policies.size() + 1, compared_policies().size());
  EXPECT_THAT(plan.left_out, ElementsAre(HasSubstr("software-handoff")));
}

TEST(LivePlan, MeasuresFixedLoads) {
  const LivePlan plan = plan_live(*experiments_named(kAllExperiments), compared_policies(), 2);
  EXPECT_THAT(plan.experiments.front().loads, ElementsAre(0.2, 0.4, 0.6, 0.7, 0.8, 0.9));
  EXPECT_EQ(plan.experiments.back().name, "balance");
  EXPECT_THAT(plan.experiments.back().loads, ElementsAre(0.8));
}

TEST(SliceMs, IsTheTransportsAndLongEnoughForAPercentile) {
  EXPECT_EQ(slice_ms_of(LiveTransport::kDpdk, 1e6), 1);
  EXPECT_EQ(slice_ms_of(LiveTransport::kUdp, 1e6), 10);
  EXPECT_EQ(slice_ms_of(LiveTransport::kTcp, 1e6), 50);
  EXPECT_EQ(slice_ms_of(LiveTransport::kDpdk, 10'000), 20);
  EXPECT_EQ(slice_ms_of(LiveTransport::kTcp, 1'000), 200);
}

}  // namespace
}  // namespace minos
