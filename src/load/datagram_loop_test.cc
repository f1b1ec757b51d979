#include "load/datagram_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "client/testing/lossy_channel.h"
#include "client/testing/model_server.h"
#include "client/testing/session_world.h"
#include "load/generator.h"

namespace minos {
namespace {

using minos::testing::Faults;
using minos::testing::LossyChannel;
using minos::testing::ModelChannel;
using minos::testing::ModelOptions;
using minos::testing::ModelServer;
using ::testing::HasSubstr;

// A channel that owns the network behind it.
class LossyModelChannel final : public DatagramChannel {
 public:
  LossyModelChannel(ModelServer& server, std::uint64_t client, const Faults& faults,
                    LossyChannel::Clock clock, std::size_t receive_max = 1000)
      : direct_(server, client),
        network_(direct_, faults, std::move(clock)),
        receive_max_(receive_max) {}

  void send(std::span<const OutDatagram> datagrams) override {
    sent_ += datagrams.size();
    network_.send(datagrams);
  }
  void receive(std::vector<InDatagram>& datagrams) override {
    std::vector<InDatagram> arrived;
    network_.receive(arrived);
    for (const InDatagram& one : arrived) waiting_.emplace_back(one.queue, one.bytes);
    given_.clear();
    for (; !waiting_.empty() && given_.size() < receive_max_; waiting_.pop_front()) {
      given_.push_back(std::move(waiting_.front()));
    }
    for (const auto& [queue, bytes] : given_) datagrams.push_back({queue, bytes});
  }
  void wait(Nanos timeout) override { network_.wait(timeout); }
  std::uint32_t window_bytes() const override { return 0; }
  std::uint64_t sent() const { return sent_; }

 private:
  ModelChannel direct_;
  LossyChannel network_;
  const std::size_t receive_max_;
  std::deque<std::pair<QueueId, std::string>> waiting_;
  std::vector<std::pair<QueueId, std::string>> given_;  // by the last receive()
  std::uint64_t sent_ = 0;
};

KeySpace::Options small_space() {
  return {.keys = 200, .large_keys = 5, .large_bytes_max = 40'000, .seed = 3};
}

// A loop, a network and a server in virtual time: waiting takes it on by 50 µs.
class World {
 public:
  explicit World(const Faults& faults, std::uint32_t channels = 1, std::uint32_t requests_max = 64,
                 std::size_t receive_max = 1000, Nanos timeout = millis(500))
      : keys_(small_space()), server_(ModelOptions{.queues = 2}) {
    DatagramChannels all;
    for (std::uint32_t i = 0; i < channels; ++i) {
      Faults own = faults;
      own.seed += i;
      all.push_back(std::make_unique<LossyModelChannel>(
          server_, i + 1, own, [this] { return now_; }, receive_max));
    }
    loop_ = std::make_unique<DatagramLoop>(std::move(all), keys_,
                                           DatagramLoop::Options{.verify = true,
                                                                 .timeout = timeout,
                                                                 .requests_max = requests_max,
                                                                 .seed = 7,
                                                                 .server = "the model",
                                                                 .clock = [this] { return now_; }});
  }

  // Requests on connections in turn, never more than fit; returns what became of them.
  std::vector<LoadLoop::Arrived> run(const std::vector<LoadRequest>& requests) {
    std::vector<LoadLoop::Arrived> arrived;
    std::size_t next = 0;
    while (arrived.size() < requests.size() && loop_->failure().empty()) {
      for (std::uint32_t i = 0; i < loop_->connections(); ++i) {
        while (next < requests.size() && loop_->has_room(i)) {
          loop_->push(i, requests[next++], now_, now_);
        }
      }
      loop_->flush();
      loop_->poll(Nanos(0), arrived);
      now_ += micros(50);
      loop_->check_silence(now_);
    }
    return arrived;
  }

  std::vector<LoadRequest> of_every_key(LoadOp op) const {
    std::vector<LoadRequest> requests;
    for (std::uint32_t i = 0; i < keys_.key_count(); ++i) {
      requests.push_back(request_for(keys_, i, op));
    }
    return requests;
  }
  std::string key(std::uint32_t index) const {
    const KeySpace::Key key = keys_.key(index);
    return {key.data(), key.size()};
  }

  KeySpace& keys() { return keys_; }
  ModelServer& server() { return server_; }
  DatagramLoop& loop() { return *loop_; }
  Nanos now() const { return now_; }
  void pause(Nanos time) { now_ += time; }

 private:
  KeySpace keys_;
  ModelServer server_;
  Nanos now_ = millis(1);
  std::unique_ptr<DatagramLoop> loop_;
};

std::map<ReplyStatus, int> by_status(const std::vector<LoadLoop::Arrived>& arrived) {
  std::map<ReplyStatus, int> counts;
  for (const LoadLoop::Arrived& one : arrived) ++counts[one.done.status];
  return counts;
}

class DatagramLoopLoss : public ::testing::TestWithParam<double> {};

TEST_P(DatagramLoopLoss, EveryValueComesBackOnce) {
  // Of a request that needs ten tries, each later than the last.
  constexpr Nanos kTimeout = std::chrono::seconds(3);
  World world({.lost = GetParam(), .duplicated = GetParam()}, 3, 64, 1000, kTimeout);
  const auto sets = world.of_every_key(LoadOp::kSet);
  EXPECT_EQ(by_status(world.run(sets)), (std::map<ReplyStatus, int>{{ReplyStatus::kStored, 205}}));
  const auto gets = world.of_every_key(LoadOp::kGet);
  const auto arrived = world.run(gets);
  EXPECT_EQ(by_status(arrived), (std::map<ReplyStatus, int>{{ReplyStatus::kHit, 205}}));
  std::map<std::uint32_t, int> per_key;
  for (const auto& one : arrived) {
    ++per_key[one.done.request.key];
    EXPECT_GT(one.at, one.done.scheduled);
    EXPECT_LT(one.connection, 3U);
  }
  EXPECT_EQ(per_key.size(), gets.size());
  EXPECT_EQ(world.loop().outstanding(), 0U);
  EXPECT_EQ(world.loop().failure(), "");
  const auto counters = world.loop().datagrams();
  ASSERT_TRUE(counters);
  if (GetParam() > 0) {
    EXPECT_GT(counters->retries, 10U);
  } else {
    EXPECT_EQ(counters->retries, 0U);
  }
  EXPECT_EQ(counters->garbage, 0U);
  EXPECT_GT(world.loop().bytes_in(), 50'000U);
  EXPECT_GT(world.loop().bytes_out(), 50'000U);
}

INSTANTIATE_TEST_SUITE_P(Shares, DatagramLoopLoss, ::testing::Values(0.0, 0.1));

TEST(DatagramLoop, TellsMissesAndWrongValuesApart) {
  World world({});
  const auto gets = world.of_every_key(LoadOp::kGet);
  EXPECT_EQ(by_status(world.run(gets)), (std::map<ReplyStatus, int>{{ReplyStatus::kMiss, 205}}));
  world.run(world.of_every_key(LoadOp::kSet));
  const auto expected = [&](std::uint32_t index) {
    return std::string(world.keys().value(index, world.keys().item(index).value_bytes));
  };
  world.server().put(world.key(3), expected(3) + "x");
  std::string other = expected(4);
  other.back() = static_cast<char>(other.back() ^ 1);
  world.server().put(world.key(4), other);
  std::string large = expected(202);
  large[large.size() / 2] = static_cast<char>(large[large.size() / 2] ^ 1);
  world.server().put(world.key(202), large);
  std::map<std::uint32_t, ReplyStatus> odd;
  for (const auto& one : world.run(gets)) {
    if (one.done.status != ReplyStatus::kHit) odd[one.done.request.key] = one.done.status;
  }
  EXPECT_EQ(odd, (std::map<std::uint32_t, ReplyStatus>{{3, ReplyStatus::kWrongSize},
                                                       {4, ReplyStatus::kWrongContent},
                                                       {202, ReplyStatus::kWrongContent}}));
}

TEST(DatagramLoop, HasRoomForAsManyAsItWasToldAndNoMore) {
  World world({.lost = 1}, 1, 10);
  const LoadRequest request = request_for(world.keys(), 1, LoadOp::kGet);
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(world.loop().has_room(0));
    world.loop().push(0, request, world.now(), world.now());
  }
  EXPECT_FALSE(world.loop().has_room(0));
  EXPECT_EQ(world.loop().outstanding(), 10U);
}

TEST(DatagramLoop, APreloadHasFewLargeValuesOnTheirWay) {
  World world({.lost = 1}, 1, 60'000);
  const LoadRequest small = request_for(world.keys(), 1, LoadOp::kSet);
  int pushed = 0;
  for (; world.loop().preload_room(0); ++pushed) {
    world.loop().push(0, small, world.now(), world.now());
  }
  EXPECT_EQ(pushed, 32);
  World other({.lost = 1}, 1, 60'000);
  LoadRequest large = request_for(other.keys(), 203, LoadOp::kSet);
  large.value_bytes = 40'000;
  for (pushed = 0; other.loop().preload_room(0); ++pushed) {
    other.loop().push(0, large, other.now(), other.now());
  }
  EXPECT_EQ(pushed, 7) << "256 KiB";
}

TEST(DatagramLoop, SilenceEndsIt) {
  World world({.lost = 1});
  const auto arrived = world.run(world.of_every_key(LoadOp::kGet));
  EXPECT_THAT(world.loop().failure(),
              HasSubstr("socket 1 of 1 to the model: the server has not answered for 0.5 s"));
  EXPECT_LT(world.now(), millis(600));
  for (const auto& one : arrived) EXPECT_EQ(one.done.status, ReplyStatus::kNone);
}

TEST(DatagramLoop, ARequestWithoutAnswerIsSaidToHaveNone) {
  World world({.lost = 0.35});
  const auto gets = world.of_every_key(LoadOp::kGet);
  const auto counts = by_status(world.run(gets));
  ASSERT_EQ(world.loop().failure(), "") << "something was received all the time";
  EXPECT_GT(counts.at(ReplyStatus::kNone), 0);
  EXPECT_GT(counts.at(ReplyStatus::kMiss), 0);
}

LoadOptions short_load() {
  LoadOptions options;
  options.protocol = ProtocolKind::kUdp;
  options.keys = 300;
  options.large_keys = 5;
  options.large_max = 40'000;
  options.large_percent = 5;
  options.get_ratio = 0.8;
  options.duration_s = 0.3;
  options.warmup_s = 0.05;
  options.timeout_s = 2;
  options.verify = true;
  return options;
}

class DatagramLoad : public ::testing::TestWithParam<bool> {};

TEST_P(DatagramLoad, IsMeasuredOverWhateverChannelsItIsGiven) {
  LoadOptions options = short_load();
  if (GetParam()) {
    options.rate = 3000;
  } else {
    options.closed = true;
    options.depth = 4;
  }
  ASSERT_TRUE(check_options(options));
  ModelServer server(ModelOptions{.queues = 4});
  std::uint32_t opened = 0;
  LoadHooks hooks;
  hooks.open_channels = [&](std::uint32_t thread, std::uint32_t count) {
    EXPECT_EQ(thread, 0U);
    DatagramChannels channels;
    while (channels.size() < count) {
      channels.push_back(std::make_unique<LossyModelChannel>(server, ++opened, Faults{.lost = 0.01},
                                                             monotonic_now));
    }
    return channels;
  };
  const LoadReport report = run_load(options, hooks);
  EXPECT_EQ(report.error, "");
  EXPECT_EQ(report.preloaded, 305U);
  EXPECT_EQ(report.preload_refused, 0U);
  EXPECT_EQ(opened, 1U) << "one for the one thread";
  ASSERT_TRUE(report.datagrams);
  EXPECT_GT(report.datagrams->sent, 100U);
  EXPECT_GT(report.datagrams->retries, 0U);
  for (const auto size_class : {LoadClass::kTiny, LoadClass::kSmall, LoadClass::kLarge}) {
    const ClassStats& stats = report.recorder->of(size_class);
    EXPECT_GT(stats.received, 0U);
    EXPECT_EQ(stats.misses + stats.refused + stats.wrong, 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(OpenAndClosed, DatagramLoad, ::testing::Bool());

TEST(DatagramLoadErrors, AChannelThatDoesNotOpenIsReported) {
  LoadOptions options = short_load();
  options.closed = true;
  LoadHooks hooks;
  hooks.open_channels = [](std::uint32_t,
                           std::uint32_t) -> std::expected<DatagramChannels, std::string> {
    return std::unexpected("no such device");
  };
  EXPECT_EQ(run_load(options, hooks).error, "no such device");
}

TEST(DatagramLoadErrors, AnUnknownHostIsReported) {
  LoadOptions options = short_load();
  options.closed = true;
  options.server = {.host = "256.0.0.1", .port = 11300};
  EXPECT_THAT(run_load(options, {}).error, HasSubstr("256.0.0.1"));
}

// A thread that does not get a CPU finds replies, more than it takes at a time, when all of their
// requests' time is over.
TEST(DatagramLoop, WhatHasArrivedInTimeIsNotLate) {
  World world({.delay = Nanos(0)}, 1, 64, 4);
  for (const auto& done : world.run(world.of_every_key(LoadOp::kSet))) {
    ASSERT_EQ(done.done.status, ReplyStatus::kStored);
  }
  for (std::uint32_t i = 0; i < 64; ++i) {
    world.loop().push(0, request_for(world.keys(), i, LoadOp::kGet), world.now(), world.now());
  }
  world.loop().flush();
  world.pause(millis(10'000));
  std::vector<LoadLoop::Arrived> arrived;
  for (int i = 0; i < 1000 && arrived.size() < 64; ++i) {
    world.loop().check_silence(world.now());
    world.loop().poll(Nanos(0), arrived);
    world.pause(micros(50));
  }
  EXPECT_EQ(world.loop().failure(), "");
  ASSERT_EQ(arrived.size(), 64U);
  for (const auto& done : arrived) EXPECT_EQ(done.done.status, ReplyStatus::kHit);
}

}  // namespace
}  // namespace minos
