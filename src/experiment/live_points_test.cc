#include "experiment/live_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>

#include "experiment/campaign.h"

namespace minos {
namespace {

using testing::ElementsAre;

constexpr double kServedPerS = 100'000;  // of every server
const std::vector<PolicyKind> kThree = {PolicyKind::kElastic, PolicyKind::kSizeAware,
                                        PolicyKind::kKeyHash};

// Serves kServedPerS, key-hash more in a closed loop; p99 grows with each load that it gets.
class FakeServers final : public LiveServers {
 public:
  std::expected<void, SideBySideError> start(const Workload& workload,
                                             std::span<const PolicyKind> policies) override {
    started.push_back(workload.name);
    started_policies.assign(policies.begin(), policies.end());
    if (start_error.empty()) return {};
    return std::unexpected(SideBySideError{PolicyKind::kSizeAware, start_error});
  }

  std::expected<PointResult, SideBySideError> load(PolicyKind policy,
                                                   const LiveLoad& load) override {
    if (dies_after == 0) return std::unexpected(SideBySideError{policy, "minosd died"});
    if (dies_after > 0) --dies_after;
    PointResult result;
    const double closed = policy == PolicyKind::kKeyHash ? 1.1 * kServedPerS : 0.9 * kServedPerS;
    double served = std::min(load.rate_per_s.value_or(closed), load.rate_per_s ? kServedPerS : 1e9);
    if (load.rate_per_s && ++open_loads % 2 == 1 && pauses) served *= 0.9;
    result.throughput_mops = served / 1e6;
    result.offered_mops = load.rate_per_s.value_or(served) / 1e6;
    result.all.count = 1000;
    result.all.p99_us = ++loads_of[policy] * 10.0;
    result.cores = {{.requests = 10, .packets = 20}};
    order.push_back(policy);
    rates.push_back(load.rate_per_s.value_or(0));
    seconds = load.seconds;
    return result;
  }

  std::vector<std::string> started;
  std::vector<PolicyKind> started_policies;
  std::string start_error;
  std::vector<PolicyKind> order;
  std::vector<double> rates;
  std::map<PolicyKind, int> loads_of;
  double seconds = 0;
  int dies_after = -1;  // loads; never
  bool pauses = false;  // every other open loop suffers
  int open_loads = 0;
};

TEST(FindCapacity, IsWhatAnOpenLoopGetsUnderTheFastestPolicy) {
  FakeServers servers;
  const auto capacity = find_capacity(servers, kThree);
  ASSERT_TRUE(capacity);
  // Of a rate, 98 % have to be answered.
  EXPECT_GT(*capacity, 0.97 * kServedPerS);
  EXPECT_LE(*capacity, kServedPerS / 0.98);
  EXPECT_EQ(servers.order.back(), PolicyKind::kKeyHash);
}

TEST(FindCapacity, IsNotFooledByAPause) {
  FakeServers servers;
  servers.pauses = true;
  const auto capacity = find_capacity(servers, kThree);
  ASSERT_TRUE(capacity);
  EXPECT_GT(*capacity, 0.97 * kServedPerS);
}

TEST(OrderOfTurn, LetsEveryPolicyBeFirst) {
  EXPECT_THAT(order_of_turn(kThree, 0),
              ElementsAre(PolicyKind::kElastic, PolicyKind::kSizeAware, PolicyKind::kKeyHash));
  EXPECT_THAT(order_of_turn(kThree, 1),
              ElementsAre(PolicyKind::kSizeAware, PolicyKind::kKeyHash, PolicyKind::kElastic));
  EXPECT_THAT(order_of_turn(kThree, 5),
              ElementsAre(PolicyKind::kKeyHash, PolicyKind::kElastic, PolicyKind::kSizeAware));
}

TEST(MedianOfTurns, TakesEachFigureOnItsOwnAndAddsCounts) {
  std::vector<PointResult> turns(3);
  const double p99[] = {30, 10, 20};
  const double throughput[] = {1, 3, 2};
  for (std::size_t i = 0; i < turns.size(); ++i) {
    turns[i].throughput_mops = throughput[i];
    turns[i].all = {
        .count = 100 + i, .mean_us = std::numeric_limits<double>::quiet_NaN(), .p99_us = p99[i]};
    turns[i].large.raw_p99_us = p99[i] * 2;
    turns[i].failed = i;
    turns[i].threshold_bytes = i;
    turns[i].cores = {{.requests = i, .packets = 1}};
  }
  const PointResult median = median_of_turns(turns);
  EXPECT_EQ(median.throughput_mops, 2);
  EXPECT_EQ(median.all.p99_us, 20);
  EXPECT_TRUE(std::isnan(median.all.mean_us));
  EXPECT_EQ(median.large.raw_p99_us, 40);
  EXPECT_EQ(median.all.count, 303U);
  EXPECT_EQ(median.failed, 3U);
  EXPECT_EQ(median.threshold_bytes, 2U);
  EXPECT_EQ(median.cores[0].requests, 3U);
  EXPECT_EQ(median.cores[0].packets, 3U);
}

TEST(LivePoints, AlternateAndStartServersOncePerWorkload) {
  FakeServers servers;
  LivePoints points(servers, {.turn_seconds = 1, .turns = 3, .cores = 2});
  const Workload workload = {.name = "default"};
  ASSERT_TRUE(points.measure(workload, 0.2, kThree));
  servers.order.clear();
  servers.rates.clear();
  servers.loads_of.clear();
  const auto results = points.measure(workload, 0.5, kThree);
  ASSERT_TRUE(results);
  EXPECT_THAT(servers.started, ElementsAre("default"));
  using enum PolicyKind;
  EXPECT_THAT(servers.order, ElementsAre(kElastic, kSizeAware, kKeyHash, kSizeAware, kKeyHash,
                                         kElastic, kKeyHash, kElastic, kSizeAware));
  EXPECT_EQ(servers.seconds, 1);
  ASSERT_EQ(results->size(), 3U);
  for (const PointResult& point : *results) {
    EXPECT_EQ(point.load, 0.5);
    EXPECT_EQ(point.all.p99_us, 20);
    EXPECT_NEAR(point.capacity_mops, kServedPerS / 1e6, 0.005);
    EXPECT_NEAR(point.mean_service_us, 20, 0.6);
    EXPECT_NEAR(point.offered_mops, point.capacity_mops / 2, 1e-9);
  }
  ASSERT_TRUE(points.measure({.name = "other"}, 0.5, kThree));
  EXPECT_THAT(servers.started, ElementsAre("default", "other"));
}

TEST(LivePoints, AServerThatDiesEndsTheCampaignAndIsNamed) {
  FakeServers servers;
  LivePoints points(servers, {.turn_seconds = 1, .turns = 1, .cores = 1});
  Campaign campaign = plan_campaign(*experiments_named("throughput"), kThree);
  const auto measure = [&](const Workload& workload, double load,
                           std::span<const PolicyKind> policies) {
    auto results = points.measure(workload, load, policies);
    if (load > 0.15) servers.dies_after = 1;  // the second load of the next three
    return results;
  };
  EXPECT_FALSE(run_side_by_side(campaign, measure, {}));
  EXPECT_EQ(campaign.series[0].points.size(), 2U);
  EXPECT_EQ(campaign.series[0].error, "");
  EXPECT_EQ(campaign.series[1].error, "minosd died");
  EXPECT_FALSE(campaign.series[0].slo_load.has_value());
}

TEST(LivePoints, AServerThatDoesNotStartIsNamed) {
  FakeServers servers;
  servers.start_error = "no memory";
  LivePoints points(servers, {.turn_seconds = 1, .turns = 1, .cores = 1});
  const auto results = points.measure({.name = "default"}, 0.5, kThree);
  ASSERT_FALSE(results);
  EXPECT_EQ(results.error().policy, PolicyKind::kSizeAware);
  EXPECT_EQ(results.error().why, "no memory");
}

}  // namespace
}  // namespace minos
