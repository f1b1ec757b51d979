#include "transport/network.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "transport/testing/udp_port_fixture.h"

namespace minos {
namespace {

constexpr Nanos kForever{-1};

Nanos now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

Nanos cpu_time_of_this_thread() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  const auto of = [](const timeval& time) {
    return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

// A stream that only counts what it receives.
class CountingStream final : public Stream {
 public:
  explicit CountingStream(int fd) { route_.handle = fd; }
  std::size_t scatter(std::uint64_t, std::span<iovec> out) override {
    out[0] = {buffer_.data(), buffer_.size()};
    return 1;
  }
  void received(std::uint64_t bytes) override { bytes_ += bytes; }
  std::size_t gather(std::uint64_t, std::span<iovec>) override { return 0; }
  void sent(std::uint64_t) override {}
  void detached() override {}

  std::uint64_t bytes() const { return bytes_; }

 private:
  std::array<char, 4096> buffer_;
  std::uint64_t bytes_ = 0;
};

// One worker's network with a UDP plane of two queues, driven as a worker's thread does.
class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() : queues_(open_queues(2)), client_(queues_->socket(kQueue)) {
    network_ = make_network();
  }

  std::unique_ptr<Network> make_network() {
    auto port = std::make_unique<UdpPort>(*queues_, UdpPort::Options());
    Sleeper* const sleeper = port.get();
    std::vector<Plane> planes;
    planes.push_back({std::move(port), sleeper});
    return std::move(*Network::create(std::move(planes)));
  }

  RxPlan plan_for(Nanos block, std::span<const RxQueueQuota> queues) {
    RxPlan plan;
    plan.block = block;
    plan.streams_max = 32;
    plan.queues = queues;
    return plan;
  }

  // Returns how long the round took.
  static Nanos round(Network& network, RxPlan plan, Rx& rx) {
    const Nanos start = now();
    rx.clear();
    if (network.take_datagrams(plan, rx)) plan.block = Nanos(0);
    network.receive(plan, rx);
    rx.arrived = now();
    return rx.arrived - start;
  }
  Nanos round(Nanos block, std::span<const RxQueueQuota> queues) {
    return round(*network_, plan_for(block, queues), rx_);
  }

  static constexpr std::array<RxQueueQuota, 1> kFirst{{{QueueId{0}, 8}}};
  static constexpr std::array<RxQueueQuota, 2> kBoth{{{QueueId{0}, 8}, {QueueId{1}, 8}}};

  std::unique_ptr<UdpQueues> queues_;
  UdpClient client_;
  std::unique_ptr<Network> network_;
  Rx rx_;
  Tx tx_;
};

TEST_F(NetworkTest, DoesNotWaitWhenDatagramsAreThere) {
  client_.send("x");
  EXPECT_LT(round(kForever, kFirst), millis(500));
  EXPECT_EQ(rx_.packets.size(), 1U);
}

TEST_F(NetworkTest, CountsQueuesThatWereEmpty) {
  client_.send("x");
  round(kForever, kBoth);
  EXPECT_EQ(rx_.packets.size(), 1U);
  EXPECT_EQ(rx_.queues_empty, 1U);
  EXPECT_FALSE(rx_.stolen);
  round(Nanos(0), kBoth);
  EXPECT_GE(rx_.queues_empty, 2U);
}

TEST_F(NetworkTest, SaysWhatItHasFromQueuesOfOthers) {
  client_.send("x");
  RxPlan plan = plan_for(Nanos(0), std::span(kBoth).last(1));
  plan.steal_queues = kFirst;
  const Nanos give_up = now() + millis(5000);
  while (rx_.packets.empty() && now() < give_up) round(*network_, plan, rx_);
  EXPECT_EQ(rx_.packets.size(), 1U);
  EXPECT_TRUE(rx_.stolen);
  EXPECT_EQ(rx_.queues_empty, 1U);
}

TEST_F(NetworkTest, ADatagramEndsASleep) {
  std::jthread sender([&] {
    std::this_thread::sleep_for(millis(50));
    client_.send("x");
  });
  EXPECT_GT(round(kForever, kFirst), millis(20));
  ASSERT_EQ(rx_.packets.size(), 1U);
  EXPECT_EQ(rx_.packets[0].bytes, "x");
}

TEST_F(NetworkTest, OnlyQueuesOfThePlanEndASleep) {
  UdpClient second(queues_->socket(QueueId{1}));
  round(Nanos(0), kBoth);
  round(millis(1), kBoth);  // both are watched
  second.send("x");
  EXPECT_GE(round(millis(30), kFirst), millis(30));
  EXPECT_TRUE(rx_.packets.empty());
  EXPECT_GE(round(millis(30), {}), millis(30));
  EXPECT_LT(round(kForever, kBoth), millis(500));
  EXPECT_EQ(rx_.packets.size(), 1U);
  // What was left behind ends a sleep too.
  for (int i = 0; i < 9; ++i) second.send("x");
  round(kForever, kBoth);
  EXPECT_EQ(rx_.packets.size(), 8U);
  round(kForever, kBoth);
  EXPECT_EQ(rx_.packets.size(), 1U);
}

TEST_F(NetworkTest, WhatLiesInThePortEndsASleep) {
  client_.send_train("aabbccdd", 2);
  constexpr std::array<RxQueueQuota, 1> kOne{{{QueueId{0}, 1}}};
  round(kForever, kOne);
  EXPECT_EQ(rx_.packets.size(), 1U);
  EXPECT_LT(round(kForever, {}), millis(500));
  EXPECT_EQ(rx_.packets.size(), 3U);
}

TEST_F(NetworkTest, AWakeEndsASleep) {
  std::jthread waker([&] {
    std::this_thread::sleep_for(millis(20));
    network_->wake();
  });
  round(kForever, {});
  waker.join();
  network_->wake();
  round(kForever, kFirst);  // woken before
}

TEST_F(NetworkTest, IdleWorkersUseNoCpu) {
  for (const std::span<const RxQueueQuota> queues :
       {std::span<const RxQueueQuota>(kBoth), std::span<const RxQueueQuota>()}) {
    const Nanos before = cpu_time_of_this_thread();
    const Nanos end = now() + millis(400);
    int rounds = 0;
    for (; now() < end; ++rounds) round(millis(100), queues);
    // One that does not sleep takes a whole CPU, round after round. Pauses of a virtual machine
    // count as time on the CPU, and a datagram that another process sent astray as a round.
    EXPECT_LE(rounds, 50);
    EXPECT_LT(cpu_time_of_this_thread() - before, millis(150));
  }
}

TEST_F(NetworkTest, StreamsAreReadWhileDatagramsFlow) {
  int pair[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
  const Fd far(pair[1]);
  CountingStream stream(pair[0]);
  tx_.attach(stream);
  network_->send(tx_);
  round(Nanos(0), kFirst);
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(::send(far.get(), "bytes", 5, 0), 5);
    const std::uint64_t wanted = stream.bytes() + 5;
    std::uint32_t rounds = 0;
    for (; stream.bytes() < wanted && rounds <= kRoundsBetweenPolls; ++rounds) {
      client_.send("x");
      round(kForever, kFirst);
      EXPECT_EQ(rx_.packets.size(), 1U);
    }
    EXPECT_EQ(stream.bytes(), wanted);
  }
  tx_.close(stream);
  network_->send(tx_);
}

// Two workers sleep on one queue. Each datagram must be received, whichever is woken, and also
// while one of them stops to ask for the queue again and again.
TEST_F(NetworkTest, NoDatagramIsLeftToSleepers) {
  constexpr int kDatagrams = 3000;
  std::atomic<int> received{0};
  std::atomic<bool> done{false};
  const std::unique_ptr<Network> other = make_network();
  const auto work = [&](Network& network, bool fickle) {
    Rx rx;
    for (int i = 0; !done.load(); ++i) {
      const bool asks = !fickle || i % 3 != 0;
      const RxPlan plan = asks ? plan_for(kForever, kFirst) : plan_for(micros(100), {});
      round(network, plan, rx);
      received.fetch_add(static_cast<int>(rx.packets.size()));
    }
  };
  std::jthread first([&] { work(*network_, false); });
  std::jthread second([&] { work(*other, true); });
  bool all = true;
  for (int sent = 1; sent <= kDatagrams && all; ++sent) {
    client_.send("x");
    const Nanos patience = now() + std::chrono::seconds(5);
    while (received.load() < sent && now() < patience) std::this_thread::yield();
    all = received.load() >= sent;
    EXPECT_TRUE(all) << "datagram " << sent << " was not received";
  }
  done.store(true);
  network_->wake();
  other->wake();
}

}  // namespace
}  // namespace minos
