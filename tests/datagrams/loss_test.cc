// Sessions, a network that loses, doubles and reorders both ways, and the workers themselves, in
// virtual time, under every policy: every request ends, nothing is executed twice, no value is
// torn, and no write undoes one that was acknowledged later. A failure prints the seed.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "client/datagram_session.h"
#include "client/testing/lossy_channel.h"
#include "datagrams/fake_channel.h"
#include "datagrams/named_value.h"
#include "datagrams/register_history.h"
#include "transcripts/fake_options.h"

namespace minos {
namespace {

using testing::Faults;
using testing::LossyChannel;

constexpr int kClients = 3;
constexpr int kRegisters = 4;  // of each client
constexpr int kCounters = 2;
constexpr Nanos kDelayMax = millis(20);

struct Setup {
  PolicyKind policy = PolicyKind::kElastic;
  std::uint16_t workers = 1;
  std::uint16_t queues = 1;
  std::uint64_t seed = 1;
  double loss = 0;
};

struct Planned {
  DatagramOp op = DatagramOp::kGet;
  std::string key;
  std::string value;
  std::uint32_t version = 0;
  int reg = -1;  // of the client itself
  Nanos submitted{0};
  bool done = false;
};

struct Client {
  Client(FakeServer& server, const Setup& setup, int index, const Nanos& now)
      : channel(server, static_cast<std::uint16_t>(1000 + index)),
        network(channel,
                Faults{.seed = setup.seed * 10 + static_cast<std::uint64_t>(index),
                       .lost = setup.loss,
                       .duplicated = setup.loss / 2,
                       .delayed = setup.loss,
                       .held = setup.loss / 10,
                       .delay_max = kDelayMax},
                [&now] { return now; }),
        session({.seed = setup.seed + static_cast<std::uint64_t>(index),
                 .requests_max = 64,
                 .timeout = millis(1500),
                 .window_bytes = index == 0 ? 0U : 100'000U}) {}

  FakeChannel channel;
  LossyChannel network;
  DatagramSession session;
  std::vector<Planned> planned;
  std::array<RegisterHistory, kRegisters> registers;
  std::size_t done = 0;
};

class Storm {
 public:
  explicit Storm(const Setup& setup)
      : setup_(setup), prng_(setup.seed), server_(server_options(setup)) {
    publish_threshold(server_, kReplyFragmentBytes);
    for (int i = 0; i < kClients; ++i) {
      clients_.push_back(std::make_unique<Client>(server_, setup, i, now_));
    }
  }

  void run(std::size_t requests_each) {
    // Counters are there before they count.
    FakeChannel quiet(server_, 900);
    for (int i = 0; i < kCounters; ++i) {
      const std::string key = counter(i);
      ASSERT_EQ(ask_quietly(quiet, DatagramOp::kAdd, key, "0").status, ClientStatus::kOk);
    }
    const auto all_done = [&] {
      return std::ranges::all_of(clients_,
                                 [&](const auto& each) { return each->done == requests_each; });
    };
    for (std::uint64_t round = 0; !all_done(); ++round) {
      ASSERT_LT(round, 5'000'000U);
      for (int i = 0; i < kClients; ++i) turn(i, requests_each);
      step_some();
      if (prng_.below(5000) == 0) server_.plan_epoch();
      if (::testing::Test::HasFailure()) return;
    }
    settle();
    check_end(quiet);
  }

  std::uint64_t given_up() const { return given_up_; }

 private:
  static FakeServer::Options server_options(const Setup& setup) {
    FakeServer::Options out;
    out.policy = setup.policy;
    out.workers = setup.workers;
    out.rx_queues = setup.queues;
    out.memory_bytes = 64 * kMiB;
    return out;
  }
  static std::string counter(int i) { return "counter" + std::to_string(i); }
  static std::string register_key(int client, int reg) {
    return "register" + std::to_string(client) + "-" + std::to_string(reg);
  }

  // Any worker may be faster than another.
  void step_some() {
    const Nanos passed = micros(1 + static_cast<std::int64_t>(prng_.below(100)));
    now_ += passed;
    server_.advance(passed);
    for (std::uint16_t i = 0; i < setup_.workers; ++i) {
      const CoreId core{static_cast<std::uint16_t>(prng_.below(setup_.workers))};
      server_.step(core);
    }
  }

  void turn(int index, std::size_t requests_each) {
    Client& client = *clients_[static_cast<std::size_t>(index)];
    while (client.planned.size() < requests_each && client.session.outstanding() < 40 &&
           prng_.below(4) != 0) {
      submit(index);
    }
    std::array<OutDatagram, 64> out;
    while (const std::size_t taken = client.session.take_datagrams(out, now_)) {
      client.network.send(std::span(out).first(taken));
    }
    std::vector<InDatagram> in;
    client.network.receive(in);
    for (const InDatagram& datagram : in) client.session.receive(datagram, now_);
    client.session.advance(now_);
    std::vector<Completion> completions;
    completions.swap(client.session.completions());
    for (const Completion& done : completions) check(client, done);
  }

  void submit(int index) {
    Client& client = *clients_[static_cast<std::size_t>(index)];
    Planned plan;
    const std::uint64_t dice = prng_.below(100);
    if (dice < 20) {
      plan.op = DatagramOp::kIncr;
      plan.key = counter(static_cast<int>(prng_.below(kCounters)));
    } else {
      const int owner = prng_.below(3) == 0 ? static_cast<int>(prng_.below(kClients)) : index;
      const int reg = static_cast<int>(prng_.below(kRegisters));
      plan.key = register_key(owner, reg);
      plan.reg = owner == index ? reg : -1;
      const bool writes =
          owner == index && dice < 60 && !client.registers[static_cast<std::size_t>(reg)].writing();
      plan.op = writes ? DatagramOp::kSet : dice < 95 ? DatagramOp::kGet : DatagramOp::kGat;
      if (writes) {
        // The first register holds small values only, the last one large ones.
        constexpr std::array<std::uint64_t, kRegisters> kBytes = {100, 1500, 20'000, 300'000};
        const std::uint64_t bytes = prng_.below(kBytes[static_cast<std::size_t>(reg)]);
        plan.version = client.registers[static_cast<std::size_t>(reg)].submit(now_);
        plan.value = named_value(plan.key, plan.version, bytes);
      }
    }
    plan.submitted = now_;
    client.planned.push_back(std::move(plan));
    // The value must not move while it is being sent: strings keep theirs on the heap.
    const Planned& kept = client.planned.back();
    const SessionRequest request{.op = kept.op,
                                 .key = kept.key,
                                 .value = kept.value,
                                 .number = kept.op == DatagramOp::kIncr ? 1U : 0U,
                                 .tag = client.planned.size() - 1};
    ASSERT_TRUE(client.session.submit(request, now_));
  }

  void check(Client& client, const Completion& done) {
    ASSERT_LT(done.tag, client.planned.size());
    Planned& plan = client.planned[done.tag];
    ASSERT_FALSE(plan.done) << "completed twice";
    plan.done = true;
    ++client.done;
    const bool fine = done.status == ClientStatus::kOk;
    const bool unanswered =
        done.status == ClientStatus::kTimeout || done.status == ClientStatus::kBusy;
    if (unanswered) ++given_up_;
    if (plan.op == DatagramOp::kIncr) {
      ASSERT_TRUE(fine || unanswered) << status_text(done.status);
      if (fine) ++sure_[plan.key];
      if (done.maybe_executed) ++unsure_[plan.key];
    } else if (plan.op == DatagramOp::kSet) {
      ASSERT_TRUE(fine || unanswered) << status_text(done.status);
      client.registers[static_cast<std::size_t>(plan.reg)].end(plan.version, now_, fine,
                                                               done.maybe_executed);
    } else {
      check_read(client, plan, done);
    }
  }

  void check_read(const Client& client, const Planned& plan, const Completion& done) {
    const bool fine = done.status == ClientStatus::kOk;
    const bool missing = done.status == ClientStatus::kNotFound;
    ASSERT_TRUE(fine || missing || done.status == ClientStatus::kTimeout ||
                done.status == ClientStatus::kBusy || done.status == ClientStatus::kChanged)
        << status_text(done.status);
    std::uint32_t version = 0;
    if (fine) {
      const auto named = version_of(plan.key, done.value());
      ASSERT_TRUE(named.has_value()) << "torn, or another key's";
      version = *named;
    }
    if (plan.reg < 0 || (!fine && !missing)) return;
    const RegisterHistory& history = client.registers[static_cast<std::size_t>(plan.reg)];
    EXPECT_EQ(history.objection(version, plan.submitted, now_), "") << plan.key;
  }

  // What is still on its way arrives.
  void settle() {
    for (int i = 0; i < 2000; ++i) {
      for (int each = 0; each < kClients; ++each) turn(each, 0);
      step_some();
    }
    ASSERT_TRUE(server_.run());
  }

  void check_end(FakeChannel& quiet) {
    for (int i = 0; i < kCounters; ++i) {
      const Completion got = ask_quietly(quiet, DatagramOp::kGet, counter(i));
      ASSERT_EQ(got.status, ClientStatus::kOk);
      const std::uint64_t total = std::stoull(got.large);
      EXPECT_GE(total, sure_[counter(i)]);
      EXPECT_LE(total, sure_[counter(i)] + unsure_[counter(i)]);
    }
    for (int i = 0; i < kClients; ++i) {
      const Client& client = *clients_[static_cast<std::size_t>(i)];
      EXPECT_EQ(client.session.outstanding(), 0U);
      EXPECT_EQ(client.session.counters().garbage, 0U);
      for (int reg = 0; reg < kRegisters; ++reg) {
        const std::string key = register_key(i, reg);
        const Completion got = ask_quietly(quiet, DatagramOp::kGet, key);
        const auto version = got.status == ClientStatus::kNotFound ? 0 : version_of(key, got.large);
        ASSERT_TRUE(version.has_value()) << key << ": " << status_text(got.status);
        const RegisterHistory& history = client.registers[static_cast<std::size_t>(reg)];
        EXPECT_EQ(history.objection(*version, now_, now_), "") << key;
      }
    }
  }

  // One request of a client whose network is perfect.
  Completion ask_quietly(FakeChannel& channel, DatagramOp op, std::string_view key,
                         std::string_view value = {}) {
    DatagramSession session({.seed = ++quiet_requests_ + setup_.seed});
    SessionRequest request;
    request.op = op;
    request.key = key;
    request.value = value;
    EXPECT_TRUE(session.submit(request, channel.now()));
    std::array<OutDatagram, 64> out;
    std::vector<InDatagram> in;
    while (session.completions().empty()) {
      while (const std::size_t taken = session.take_datagrams(out, channel.now())) {
        channel.send(std::span(out).first(taken));
      }
      channel.wait(micros(10));
      in.clear();
      channel.receive(in);
      for (const InDatagram& datagram : in) session.receive(datagram, channel.now());
      session.advance(channel.now());
    }
    Completion done = std::move(session.completions().front());
    if (done.large.empty()) done.large = std::string(done.small);
    done.small = {};
    return done;
  }

  Setup setup_;
  Prng prng_;
  Nanos now_ = millis(1);
  FakeServer server_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::map<std::string, std::uint64_t> sure_;
  std::map<std::string, std::uint64_t> unsure_;
  std::uint64_t given_up_ = 0;
  std::uint64_t quiet_requests_ = 0;
};

class Loss : public ::testing::TestWithParam<std::tuple<PolicyKind, std::uint16_t>> {};

TEST_P(Loss, NothingIsTornLostOrExecutedTwice) {
  const auto [policy, workers] = GetParam();
  constexpr std::array<std::uint16_t, 4> kQueues = {1, 2, 4, 8};
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const double loss = static_cast<double>(seed % 5) * 0.05;
    const minos::Setup setup{policy, workers, kQueues[seed % kQueues.size()], seed, loss};
    Storm storm(setup);
    // One of them long enough, over a single queue, for a copy that was held up to come when many
    // newer writes have been served.
    const bool longer = setup.queues == 1 && seed == 4;
    storm.run(longer ? 1500 : 250);
    if (HasFailure()) return;
    EXPECT_TRUE(loss > 0 || storm.given_up() == 0) << storm.given_up();
  }
}

std::string case_name(
    const ::testing::TestParamInfo<std::tuple<PolicyKind, std::uint16_t>>& tested) {
  std::string name(name_of(std::get<0>(tested.param)));
  std::erase(name, '-');
  return name + std::to_string(std::get<1>(tested.param));
}

INSTANTIATE_TEST_SUITE_P(
    Policies, Loss,
    ::testing::Combine(
        ::testing::Values(PolicyKind::kElastic, PolicyKind::kSizeAware, PolicyKind::kKeyHash,
                          PolicyKind::kSoftwareHandoff, PolicyKind::kWorkStealing),
        ::testing::Values(std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{3}, std::uint16_t{4})),
    case_name);

}  // namespace
}  // namespace minos
