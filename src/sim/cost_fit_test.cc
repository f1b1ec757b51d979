// Least squares, the fit of costs, and profiles as JSON, against answers that are known.

#include "sim/cost_fit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/prng.h"
#include "sim/cost_profile.h"
#include "sim/least_squares.h"

namespace minos {
namespace {

TEST(LeastSquares, SolvesWhatHasASolution) {
  const std::vector<double> rows = {1, 0, 0, 2, 3, 1};
  const std::vector<double> right = {4, 10, 17};
  const auto x = non_negative_least_squares(rows, right, 2);
  EXPECT_NEAR(x[0], 4, 1e-9);
  EXPECT_NEAR(x[1], 5, 1e-9);
}

// A line through (0, 1), (1, 3), (2, 2): 1.5 + 0.5 t.
TEST(LeastSquares, FindsTheClosestWhereNoneIsExact) {
  const auto x = non_negative_least_squares(std::vector<double>{1, 0, 1, 1, 1, 2},
                                            std::vector<double>{1, 3, 2}, 2);
  EXPECT_NEAR(x[0], 1.5, 1e-9);
  EXPECT_NEAR(x[1], 0.5, 1e-9);
}

// Without the bound: 4.67 - 1.5 t. With it the slope is 0 and the rest the mean.
TEST(LeastSquares, NothingIsBelowNothing) {
  const auto x = non_negative_least_squares(std::vector<double>{1, 0, 1, 1, 1, 2},
                                            std::vector<double>{5, 2.5, 2}, 2);
  EXPECT_NEAR(x[0], 9.5 / 3, 1e-9);
  EXPECT_EQ(x[1], 0);
}

TEST(LeastSquares, BearsColumnsThatSayTheSameOrNothing) {
  const std::vector<double> rows = {1, 2, 0, 2, 4, 0, 3, 6, 0};
  const auto x = non_negative_least_squares(rows, std::vector<double>{5, 10, 15}, 3);
  EXPECT_NEAR(x[0] + 2 * x[1], 5, 1e-9);
  EXPECT_EQ(x[2], 0);
}

// Where the gradient is not negative for what is 0, and 0 for the rest, the sum is least.
TEST(LeastSquares, IsOptimalForRandomProblems) {
  Prng prng(7);
  for (int problem = 0; problem < 300; ++problem) {
    const std::size_t n = 1 + prng.below(10);
    const std::size_t m = n + prng.below(20);
    std::vector<double> rows(n * m);
    std::vector<double> right(m);
    for (double& entry : rows) entry = prng.uniform();
    for (double& entry : right) entry = prng.uniform() * 2 - 0.5;
    const auto x = non_negative_least_squares(rows, right, n);
    for (std::size_t j = 0; j < n; ++j) {
      double gradient = 0;
      for (std::size_t i = 0; i < m; ++i) {
        double off = -right[i];
        for (std::size_t k = 0; k < n; ++k) off += rows[i * n + k] * x[k];
        gradient += rows[i * n + j] * off;
      }
      ASSERT_GE(x[j], 0) << problem;
      if (x[j] > 0) {
        ASSERT_NEAR(gradient, 0, 1e-6) << problem;
      } else {
        ASSERT_GT(gradient, -1e-6) << problem;
      }
    }
  }
}

constexpr double CostModel::* kSeen[] = {&CostModel::step_ns, &CostModel::receive_ns,
                                         &CostModel::parse_ns, &CostModel::reply_ns,
                                         &CostModel::copy_byte_ns};

std::vector<CostSample> samples_of(const CostModel& truth, double rest_ns, double noise) {
  Prng prng(3);
  std::vector<CostSample> out;
  for (int i = 0; i < 40; ++i) {
    CostSample sample{.load = "load " + std::to_string(i / 4), .rests = prng.uniform() * 100};
    sample.cpu_ns = sample.rests * rest_ns;
    for (double CostModel::* const cost : kSeen) {
      const double count = prng.uniform() * 1000;
      sample.counts[index_of(cost)] = count;
      sample.cpu_ns += count * (truth.*cost);
    }
    sample.cpu_ns *= 1 + noise * (prng.uniform() - 0.5);
    out.push_back(sample);
  }
  return out;
}

TEST(CostFit, FindsTheCostsThatWerePaid) {
  const CostModel start = *cost_model_named("dpdk");
  CostModel truth = start;
  truth.step_ns = 300;
  truth.receive_ns = 20;
  truth.reply_ns = 0;
  truth.copy_byte_ns = 0.5;
  const CostFit fit = fit_costs(samples_of(truth, 70, 0), start, {});
  for (const CostField& field : kCostFields) {
    EXPECT_NEAR(fit.costs.*field.cost, truth.*field.cost, 1e-5) << field.name;
  }
  EXPECT_NEAR(fit.rest_ns.at(0), 70, 1e-5);
  EXPECT_NEAR(fit.error, 0, 1e-9);
  EXPECT_TRUE(fit.seen[index_of(&CostModel::reply_ns)]);
  EXPECT_FALSE(fit.seen[index_of(&CostModel::steal_ns)]);
}

TEST(CostFit, KeepsTiedCostsInProportion) {
  const CostModel start = *cost_model_named("dpdk");
  CostModel truth = start;
  truth.receive_ns = 3 * start.receive_ns;
  truth.parse_ns = 3 * start.parse_ns;
  const CostTie tie = {&CostModel::receive_ns, &CostModel::parse_ns};
  const CostFit fit = fit_costs(samples_of(truth, 0, 0), start, std::span(&tie, 1));
  EXPECT_NEAR(fit.costs.receive_ns, truth.receive_ns, 1e-4);
  EXPECT_NEAR(fit.costs.parse_ns, truth.parse_ns, 1e-4);
  EXPECT_NEAR(fit.costs.reply_ns, truth.reply_ns, 1e-4);
}

TEST(CostFit, SaysHowFarItIsOff) {
  const CostModel truth = *cost_model_named("dpdk");
  const auto samples = samples_of(truth, 10, 0.2);
  const CostFit fit = fit_costs(samples, truth, {});
  EXPECT_GT(fit.error, 0.01);
  EXPECT_LT(fit.error, 0.1);
  EXPECT_NEAR(fit.fitted_ns[0] / samples[0].cpu_ns, 1, 0.15);
}

TEST(CostFit, RestsCostEachCoreItsOwn) {
  const CostModel truth = *cost_model_named("dpdk");
  auto samples = samples_of(truth, 10, 0);
  const auto others = samples_of(truth, 500, 0);
  for (CostSample other : others) {
    other.core = 1;
    samples.push_back(other);
  }
  const CostFit fit = fit_costs(samples, truth, {});
  EXPECT_NEAR(fit.rest_ns.at(0), 10, 1e-4);
  EXPECT_NEAR(fit.rest_ns.at(1), 500, 1e-4);
}

TEST(CostFit, TakesAQuickSampleOfEachLoad) {
  const CostModel truth = *cost_model_named("dpdk");
  auto samples = samples_of(truth, 10, 0);
  const CostFit fit = fit_costs(samples, truth, {});
  for (std::size_t i = 0; i < 8; ++i) samples[i].load = "load 0";
  for (std::size_t i = 2; i < 8; ++i) samples[i].cpu_ns *= 3;  // it was slow
  samples[0].cpu_ns *= 0.9;
  const auto quick = quick_samples(samples, fit);
  ASSERT_EQ(quick.size(), 9U);
  EXPECT_EQ(quick[0].cpu_ns, samples[1].cpu_ns);
  EXPECT_EQ(quick[1].load, "load 2");
}

TEST(CostProfile, IsReadAsItWasWritten) {
  CostModel costs = *cost_model_named("tcp");
  costs.name = "mine";
  costs.copy_byte_ns = 0.0125;
  const auto json = cost_profile_json(costs);
  EXPECT_EQ(parse_cost_profile(json.dump()).value(), costs);
  const nlohmann::json report = {{"profile", json}, {"loads", 3}};
  EXPECT_EQ(parse_cost_profile(report.dump()).value(), costs);
}

TEST(CostProfile, SaysWhatIsWrong) {
  const auto error_of = [](auto change) {
    auto json = cost_profile_json(*cost_model_named("dpdk"));
    change(json);
    const auto parsed = parse_cost_profile(json.dump());
    return parsed ? std::string() : parsed.error();
  };
  EXPECT_EQ(error_of([](auto&) {}), "");
  EXPECT_EQ(error_of([](auto& j) { j.erase("parse_ns"); }), "'parse_ns' is missing");
  EXPECT_EQ(error_of([](auto& j) { j.erase("name"); }), "'name' is missing");
  EXPECT_EQ(error_of([](auto& j) { j["speed"] = 1; }), "'speed' is no cost");
  EXPECT_EQ(error_of([](auto& j) { j["step_ns"] = -1; }),
            "'step_ns' is -1: 0 to 1000000000 nanoseconds are allowed");
  EXPECT_EQ(error_of([](auto& j) { j["step_ns"] = "fast"; }),
            "'step_ns' is \"fast\": 0 to 1000000000 nanoseconds are allowed");
  EXPECT_EQ(parse_cost_profile("[1]").error(), "is no JSON object with the costs of a profile");
  EXPECT_EQ(parse_cost_profile("{").error(), "is no JSON object with the costs of a profile");
}

TEST(CostProfile, IsFoundByNameOrInAFile) {
  EXPECT_EQ(find_cost_model("dpdk").value(), *cost_model_named("dpdk"));
  EXPECT_EQ(find_cost_model("fast").error(), cost_model_named("fast").error());
  const auto path = std::filesystem::temp_directory_path() /
                    ("minos-profile-" + std::to_string(::getpid()) + ".json");
  EXPECT_EQ(find_cost_model(path.string()).error(), "cannot read " + path.string());
  std::ofstream(path) << cost_profile_json(*cost_model_named("tcp")).dump();
  EXPECT_EQ(find_cost_model(path.string()).value(), *cost_model_named("tcp"));
  std::ofstream(path) << "{}";
  EXPECT_EQ(find_cost_model(path.string()).error(), path.string() + ": 'name' is missing");
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace minos
