#include "experiment/what_if.h"

#include <gtest/gtest.h>

#include "experiment/catalogue.h"

namespace minos {
namespace {

// One in a hundred requests takes a hundred times as long: 2 us on average.
SimOptions what_if_base() {
  SimOptions base;
  base.costs = *cost_model_named("ideal");
  base.costs.fixed_ns = 0;
  base.costs.packet_ns = 1000;
  base.policy = PolicyKind::kKeyHash;
  base.cores = 2;
  base.rate_per_s = 700'000;
  base.sizes = SimSizes::kGiven;
  base.size_shares = {{1000, 99, false}, {147'000, 1, true}};
  base.quantum_packets = 16;
  base.keys = 500;
  base.requests = 5000;
  return base;
}

WhatIf what_if_run(const SimOptions& base, unsigned jobs, const CampaignHooks& hooks = {}) {
  auto what_if = plan_what_if(base);
  EXPECT_TRUE(what_if) << what_if.error();
  EXPECT_TRUE(run_what_if(*what_if, jobs, hooks));
  return std::move(*what_if);
}

// Of what_if_base(), for those who only look at it.
const WhatIf& what_if_done() {
  static const WhatIf done = what_if_run(what_if_base(), 1);
  return done;
}

TEST(WhatIf, AsksForOtherCoresThresholdsAndQuanta) {
  SimOptions base = what_if_base();
  base.cores = 6;
  base.large_percentile = 98;
  base.quantum_packets = 22;
  const WhatIf what_if = plan_what_if(base).value();
  EXPECT_EQ(what_if.cores, (std::vector<std::uint16_t>{1, 2, 4, 6, 8, 16}));
  EXPECT_EQ(what_if.percentiles, (std::vector<double>{95, 98, 99, 99.9}));
  EXPECT_EQ(what_if.quanta, (std::vector<std::uint32_t>{4, 8, 16, 22, 32, 64}));
  EXPECT_EQ(what_if.points.size(), 5U * 6 + 2 * 3 + 5);
  base.cores = 100;
  EXPECT_EQ(plan_what_if(base).value().cores,
            (std::vector<std::uint16_t>{1, 2, 4, 8, 16, 32, 64, 100}));
  base.costs = *cost_model_named("tcp");
  base.cores = 40;
  EXPECT_EQ(plan_what_if(base).value().cores,
            (std::vector<std::uint16_t>{1, 2, 4, 8, 16, 32, 40, 64, 128}));
}

TEST(WhatIf, MoreThanTheCoresCanDoIsNotSimulated) {
  const WhatIf& what_if = what_if_done();
  for (const WhatIfPoint& point : what_if.points) {
    EXPECT_EQ(point.overloaded, point.variant.cores == 1);
    EXPECT_EQ(point.result.all.count, point.overloaded ? 0U : 5000U);
    EXPECT_NEAR(point.result.load, 0.7 * 1.99 / point.variant.cores, 0.001);
  }
  EXPECT_EQ(what_if.best()->variant.cores, 2);
}

TEST(WhatIf, FewestCoresAreThoseOfATryOfEach) {
  SimOptions base = what_if_base();
  base.cores = 3;
  const WhatIf what_if = what_if_run(base, 2);
  unsigned found = 0;
  for (const PolicyKind policy : compared_policies()) {
    const auto least = what_if.least_cores(policy);
    if (!least) continue;
    ++found;
    ASSERT_NE(what_if.find(policy, *least), nullptr);
    EXPECT_TRUE(what_if.find(policy, *least)->fine());
    if (*least > 1) {
      const auto below = static_cast<std::uint16_t>(*least - 1);
      ASSERT_NE(what_if.find(policy, below), nullptr) << name_of(policy);
      EXPECT_FALSE(what_if.find(policy, below)->fine());
    }
  }
  EXPECT_GE(found, 2U);
}

TEST(WhatIf, ResultsDoNotDependOnTheNumberOfThreads) {
  CampaignProgress last;
  const CampaignHooks hooks{.progress = [&](const CampaignProgress& now) { last = now; },
                            .interrupted = nullptr};
  const WhatIf& one = what_if_done();
  const WhatIf three = what_if_run(what_if_base(), 3, hooks);
  ASSERT_EQ(one.points.size(), three.points.size());
  for (std::size_t i = 0; i < one.points.size(); ++i) {
    EXPECT_EQ(one.points[i].variant, three.points[i].variant);
    EXPECT_EQ(one.points[i].result.all.p999_us, three.points[i].result.all.p999_us);
  }
  EXPECT_EQ(what_if_sentence(one), what_if_sentence(three));
  EXPECT_EQ(last.done, three.points.size());
  EXPECT_EQ(last.total, last.done);
}

TEST(WhatIf, StopsWhenItIsInterrupted) {
  const std::atomic<bool> interrupted = true;
  auto what_if = plan_what_if(what_if_base());
  EXPECT_FALSE(run_what_if(*what_if, 2, {.progress = {}, .interrupted = &interrupted}));
}

TEST(WhatIf, ALoadStandsForItsRate) {
  SimOptions base = what_if_base();
  base.rate_per_s = 0;
  base.load = 0.5;
  EXPECT_NEAR(plan_what_if(base)->base.rate_per_s, 0.5 * 2 / 1.99 * 1e6, 1);
}

TEST(WhatIf, SaysWhatIsBestAndHowManyCoresItTakes) {
  const std::string sentence = what_if_sentence(what_if_done());
  EXPECT_TRUE(sentence.starts_with("On 2 cores the best policy for small requests is "))
      << sentence;
  EXPECT_TRUE(sentence.contains(", where key-hash has ")) << sentence;
  EXPECT_TRUE(sentence.contains("10 mean service times, 19.9 us")) << sentence;

  SimOptions base = what_if_base();
  base.rate_per_s = 1'200'000;
  const std::string overload = what_if_sentence(what_if_run(base, 2));
  EXPECT_TRUE(overload.starts_with("On 2 cores this load, 1.2000 M requests/s, is more than any"))
      << overload;

  base.costs = *cost_model_named("dpdk");
  base.link_gbit_s = 1;
  EXPECT_TRUE(what_if_sentence(what_if_run(base, 2))
                  .starts_with("This load, 1.2000 M requests/s, is more than a link of 1 Gb/s"));
}

}  // namespace
}  // namespace minos
