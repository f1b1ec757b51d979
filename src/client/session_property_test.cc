#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "client/testing/session_world.h"

// Random requests over a bad network, against the model server: every request is answered or given
// up, no value is torn, and nothing is executed twice. A failure prints the seed.
namespace minos::testing {
namespace {

constexpr int kKeys = 12;
constexpr int kCounters = 3;
constexpr std::size_t kNameBytes = 32;

// A value that tells from any part of it which one it is.
std::string value_named(std::uint64_t name, std::size_t bytes) {
  std::string out(std::max(bytes, kNameBytes), ' ');
  std::snprintf(out.data(), kNameBytes, "%010llu %010zu", static_cast<unsigned long long>(name),
                out.size());
  std::uint64_t state = name;
  for (std::size_t i = kNameBytes; i < out.size(); i += 8) {
    const std::uint64_t word = splitmix64(state);
    for (std::size_t j = i; j < std::min(i + 8, out.size()); ++j) {
      out[j] = static_cast<char>(word >> (8 * (j - i)));
    }
  }
  return out;
}

bool is_whole(const std::string& value) {
  unsigned long long name = 0;
  std::size_t bytes = 0;
  if (std::sscanf(value.c_str(), "%llu %zu", &name, &bytes) != 2) return false;
  return value == value_named(name, bytes);
}

struct Planned {
  DatagramOp op = DatagramOp::kGet;
  std::string key;
  std::string value;
  bool done = false;
};

class Storm {
 public:
  Storm(std::uint64_t seed, double loss, std::uint32_t window_bytes)
      : prng_(seed),
        world_(SessionOptions{.seed = seed,
                              .requests_max = 300,
                              .timeout = millis(1500),
                              .window_bytes = window_bytes},
               ModelOptions{.seed = seed, .busy = loss / 4},
               Faults{.seed = seed,
                      .lost = loss,
                      .duplicated = loss / 2,
                      .delayed = loss,
                      .held = loss / 10}) {
    for (int i = 0; i < kCounters; ++i) world_.server.put(counter(i), "0");
  }

  void run(std::size_t requests) {
    planned_.resize(requests);
    const bool ended = world_.run([&](Completion& done) { check(done); },
                                  [&] {
                                    submit_some();
                                    if (prng_.below(2000) == 0) world_.server.change_secret();
                                    return done_ == planned_.size();
                                  });
    EXPECT_TRUE(ended) << done_ << " of " << requests;
    EXPECT_EQ(world_.session.outstanding(), 0U);
    for (int i = 0; i < kCounters; ++i) {
      const std::uint64_t total = std::stoull(world_.server.find(counter(i))->value);
      EXPECT_GE(total, sure_[counter(i)]);
      EXPECT_LE(total, sure_[counter(i)] + unsure_[counter(i)]);
    }
    EXPECT_EQ(world_.server.malformed(), 0U);
    EXPECT_EQ(world_.session.counters().garbage, 0U);
    EXPECT_EQ(world_.server.wrong_queue(), 0U);
  }

  std::size_t given_up() const { return given_up_; }

 private:
  static std::string counter(int i) { return "counter" + std::to_string(i); }

  void submit_some() {
    while (next_ < planned_.size() && world_.session.outstanding() < in_flight_) {
      Planned& plan = planned_[next_];
      choose(plan);
      const SessionRequest request{.op = plan.op,
                                   .key = plan.key,
                                   .value = plan.value,
                                   .number = plan.op == DatagramOp::kIncr ? 1U : 0U,
                                   .tag = next_};
      ASSERT_TRUE(world_.session.submit(request, world_.now));
      ++next_;
      if (prng_.below(50) == 0) in_flight_ = static_cast<std::uint32_t>(1 + prng_.below(200));
    }
  }

  void choose(Planned& plan) {
    const std::uint64_t dice = prng_.below(100);
    plan.key = "key" + std::to_string(prng_.below(kKeys));
    if (dice < 20) {
      plan.op = DatagramOp::kIncr;
      plan.key = counter(static_cast<int>(prng_.below(kCounters)));
    } else if (dice < 55) {
      plan.op = dice < 50 ? DatagramOp::kSet : DatagramOp::kAdd;
      // Of few sizes, so that versions of one item have fragments that fit each other.
      const bool large = prng_.below(6) == 0;
      if (large) plan.key = "large" + std::to_string(prng_.below(2));
      const std::uint64_t bytes = large ? 20'000U << (3 * prng_.below(2)) : prng_.below(1000);
      plan.value = value_named(next_, bytes);
    } else if (dice < 60) {
      plan.op = DatagramOp::kDelete;
    } else {
      plan.op = dice < 95 ? DatagramOp::kGet : DatagramOp::kGat;
      if (prng_.below(4) == 0) plan.key = "large" + std::to_string(prng_.below(2));
    }
  }

  void check(Completion& done) {
    ASSERT_LT(done.tag, planned_.size());
    Planned& plan = planned_[done.tag];
    ASSERT_FALSE(plan.done) << "answered twice";
    plan.done = true;
    ++done_;
    const bool fine = done.status == ClientStatus::kOk;
    if (done.status == ClientStatus::kTimeout || done.status == ClientStatus::kBusy) ++given_up_;
    if (plan.op == DatagramOp::kGet || plan.op == DatagramOp::kGat) {
      EXPECT_TRUE(!fine || is_whole(std::string(done.value()))) << "torn";
      EXPECT_FALSE(done.maybe_executed);
    } else if (plan.op == DatagramOp::kIncr) {
      EXPECT_TRUE(fine || given_up(done));
      if (fine) ++sure_[plan.key];
      if (done.maybe_executed) ++unsure_[plan.key];
    } else if (!plan.value.empty()) {
      const std::uint64_t times = world_.server.executions(plan.value);
      EXPECT_LE(times, 1U) << "executed twice";
      EXPECT_TRUE(!fine || times == 1);
      EXPECT_TRUE(fine || done.maybe_executed || times == 0);
    }
  }
  static bool given_up(const Completion& done) {
    return done.status == ClientStatus::kTimeout || done.status == ClientStatus::kBusy;
  }

  Prng prng_;
  SessionWorld world_;
  std::vector<Planned> planned_;
  std::map<std::string, std::uint64_t> sure_;
  std::map<std::string, std::uint64_t> unsure_;
  std::size_t next_ = 0;
  std::size_t done_ = 0;
  std::size_t given_up_ = 0;
  std::uint32_t in_flight_ = 40;
};

TEST(SessionProperty, NothingIsTornLostOrExecutedTwice) {
  std::size_t given_up = 0;
  for (std::uint64_t seed = 1; seed <= 15; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const double loss = static_cast<double>(seed % 5) * 0.05;
    Storm storm(seed, loss, seed % 3 == 0 ? 0 : 100'000);
    storm.run(1000);
    EXPECT_TRUE(loss > 0 || storm.given_up() == 0);
    given_up += storm.given_up();
    if (HasFailure()) return;
  }
  // Of 15000. Loss of 20 % each way makes some unlucky.
  EXPECT_LT(given_up, 200U);
}

}  // namespace
}  // namespace minos::testing
