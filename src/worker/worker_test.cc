#include "worker/worker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "worker/testing/fake_server.h"
#include "worker/testing/text.h"

namespace minos {
namespace {

using Options = FakeServer::Options;

TEST(Worker, AnswersPipelinedCommandsInOrderInOneFlush) {
  FakeServer server(Options{});
  FakeNetwork::Peer& peer = server.connect();
  std::string request;
  std::string expected;
  for (int i = 0; i < 1000; ++i) {
    request += "set k" + std::to_string(i) + " 0 0 1\r\nx\r\nget k" + std::to_string(i) + "\r\n";
    expected += "STORED\r\nVALUE k" + std::to_string(i) + " 0 1\r\nx\r\nEND\r\n";
  }
  EXPECT_EQ(server.ask(peer, request), expected);
  EXPECT_EQ(server.sum(Counter::kRequests), 2000U);
}

TEST(Worker, StepServesAtMostOneBurst) {
  FakeServer server(Options{});
  FakeNetwork::Peer& peer = server.connect();
  for (int i = 0; i < 100; ++i) peer.to_server += "get a\r\n";
  EXPECT_EQ(server.step(CoreId{0}).requests, kBurstRequestsMax);
}

TEST(Worker, LargeReplyGoesOutByTheQuantumAndSmallRequestsInBetween) {
  Options options;
  options.quantum_bytes = 64 * kKiB;
  FakeServer server(options);
  FakeNetwork::Peer& large = server.connect();
  FakeNetwork::Peer& small = server.connect();
  const std::string value(500'000, 'v');
  EXPECT_EQ(server.ask(large, set_command("big", value)), "STORED\r\n");
  EXPECT_EQ(server.ask(small, set_command("a", "1")), "STORED\r\n");
  server.publish(plan_with(server.plan(), 8192, {CoreRole::kElastic}));

  large.to_server = "get big\r\n";
  server.step(CoreId{0});
  std::size_t before = large.from_server.size();
  EXPECT_LE(before, options.quantum_bytes + 64);
  int quanta = 1;
  while (large.from_server.size() < value.size()) {
    small.to_server = "get a\r\n";
    server.step(CoreId{0});
    EXPECT_EQ(small.from_server, value_reply("a", "1")) << "a small request waited";
    small.from_server.clear();
    ASSERT_LE(large.from_server.size() - before, options.quantum_bytes);
    before = large.from_server.size();
    ASSERT_LT(++quanta, 20);
  }
  EXPECT_GE(quanta, 7);
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(same(large.from_server, value_reply("big", value)));
}

TEST(Worker, KeyHashSendsALargeReplyAtOnce) {
  Options options;
  options.policy = PolicyKind::kKeyHash;
  FakeServer server(options);
  FakeNetwork::Peer& peer = server.connect();
  const std::string value(500'000, 'v');
  EXPECT_EQ(server.ask(peer, set_command("big", value)), "STORED\r\n");
  peer.to_server = "get big\r\n";
  server.step(CoreId{0});
  EXPECT_TRUE(same(peer.from_server, value_reply("big", value)));
}

TEST(Worker, LargeUploadIsReceivedByTheQuantum) {
  Options options;
  FakeServer server(options);
  FakeNetwork::Peer& peer = server.connect();
  server.publish(plan_with(server.plan(), 8192, {CoreRole::kElastic}));
  const std::string value(900'000, 'u');
  peer.to_server = set_command("big", value);
  std::size_t before = peer.to_server.size();
  while (!peer.to_server.empty()) {
    server.step(CoreId{0});
    ASSERT_LE(before - peer.to_server.size(), options.quantum_bytes + kStreamInputBytes);
    before = peer.to_server.size();
  }
  EXPECT_TRUE(server.run());
  EXPECT_EQ(peer.from_server, "STORED\r\n");
  peer.from_server.clear();
  EXPECT_TRUE(same(server.ask(peer, "get big\r\n"), value_reply("big", value)));
}

// What a grant leaves over is not spent outside the uploads' turns.
TEST(Worker, ManyUploadsTogetherGetOneQuantumAStep) {
  Options options;
  FakeServer server(options);
  server.publish(plan_with(server.plan(), 8192, {CoreRole::kElastic}));
  std::vector<FakeNetwork::Peer*> peers;
  for (int i = 0; i < 20; ++i) {
    peers.push_back(&server.connect());
    peers.back()->to_server =
        "set big" + std::to_string(i) + " 0 0 900000\r\n" + std::string(1000, 'x');
  }
  EXPECT_TRUE(server.run());
  for (FakeNetwork::Peer* peer : peers) peer->to_server += std::string(1000, 'x');
  EXPECT_TRUE(server.run());
  for (FakeNetwork::Peer* peer : peers) peer->to_server += std::string(60'000, 'x');
  std::size_t before = 20 * 60'000;
  for (int i = 0; i < 30; ++i) {
    server.step(CoreId{0});
    std::size_t left = 0;
    for (const FakeNetwork::Peer* peer : peers) left += peer->to_server.size();
    EXPECT_LE(before - left, options.quantum_bytes + kStreamInputBytes);
    before = left;
  }
}

TEST(Worker, RepliesBeforeAnUploadAreNotHeldUpByIt) {
  FakeServer server(Options{});
  FakeNetwork::Peer& peer = server.connect();
  server.publish(plan_with(server.plan(), 8192, {CoreRole::kElastic}));
  peer.to_server = "get a\r\nset big 0 0 500000\r\n" + std::string(100'000, 'x');
  EXPECT_TRUE(server.run());
  EXPECT_EQ(peer.from_server, "END\r\n");
}

// What one core evicts is free once the other has passed a step: until then writes are put back.
TEST(Worker, WritesWaitForMemoryThatAnotherCoreHoldsUp) {
  Options options;
  options.workers = 2;
  options.memory_bytes = 16 * kMiB;
  FakeServer server(options);
  FakeNetwork::Peer& peer = server.connect(CoreId{0});
  EXPECT_EQ(server.ask(peer, "set n 0 0 1\r\n1\r\n"), "STORED\r\n");
  server.step(CoreId{1});  // awake, and then no step for a long time
  std::string wanted;
  for (int i = 0; server.sum(Counter::kMemoryWaits) == 0; ++i) {
    ASSERT_LT(i, 10'000);
    peer.to_server += set_command("k" + std::to_string(i), std::string(8000, 'v'));
    wanted += "STORED\r\n";
    server.step(CoreId{0});
  }
  EXPECT_LT(peer.from_server.size(), wanted.size());
  const std::string large(500'000, 'v');
  peer.to_server += set_command("large", large) + "append large 0 0 1\r\nx\r\n" + "get large\r\n";
  wanted += "STORED\r\nSTORED\r\n" + value_reply("large", large + "x");
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(same(peer.from_server, wanted));
  // Held up for too long, it is refused, and others go on.
  peer.from_server.clear();
  server.step(CoreId{1});
  for (int i = 0; peer.from_server.find("SERVER_ERROR") == std::string::npos; ++i) {
    ASSERT_LT(i, 100'000);
    if (peer.to_server.empty()) {
      peer.to_server = set_command("m" + std::to_string(i), std::string(8000, 'v'));
    }
    server.step(CoreId{0});
    server.advance(millis(1));
  }
  EXPECT_TRUE(server.run());
  peer.from_server.clear();
  EXPECT_EQ(server.ask(peer, "set n 0 0 1\r\n2\r\nincr n 1\r\n"), "STORED\r\n3\r\n");
}

// They may hold half of the memory, but not for ever when others want it.
TEST(Worker, StalledUploadsGiveWay) {
  Options options;
  options.memory_bytes = 16 * kMiB;
  FakeServer server(options);
  std::vector<FakeNetwork::Peer*> stalled;
  for (int i = 0; i < 16; ++i) {
    stalled.push_back(&server.connect());
    stalled.back()->to_server = "set up" + std::to_string(i) + " 0 0 500000\r\nxxx";
  }
  FakeNetwork::Peer& moving = server.connect();
  moving.to_server = "set moving 0 0 300000\r\n";
  server.step_all();
  const std::string value(900'000, 'v');
  const auto wait = [&] {
    for (int i = 0; i < 3; ++i) {
      moving.to_server += "xxx";
      server.step_all();
      server.advance(std::chrono::seconds(3));
    }
    for (int i = 0; i < 10; ++i) server.step_all();
  };
  wait();
  for (const FakeNetwork::Peer* peer : stalled) EXPECT_FALSE(peer->closed_by_server);
  FakeNetwork::Peer& peer = server.connect();
  peer.to_server = set_command("big", value);
  for (int i = 0; i < 100; ++i) server.step_all();
  EXPECT_EQ(std::exchange(peer.from_server, {}), "SERVER_ERROR out of memory storing object\r\n");
  wait();
  for (const FakeNetwork::Peer* one : stalled) EXPECT_TRUE(one->closed_by_server);
  EXPECT_FALSE(moving.closed_by_server);
  peer.to_server = set_command("big", value);
  for (int i = 0; i < 100; ++i) server.step_all();
  EXPECT_EQ(peer.from_server, "STORED\r\n");
  EXPECT_EQ(server.sum(Counter::kStalledUploads), stalled.size());
}

TEST(Worker, IsAtRestOnceUploadsHaveEnded) {
  FakeServer server(Options{});
  std::vector<FakeNetwork::Peer*> peers;
  for (std::size_t i = 0; i < 3 * kMigrationsPerStep; ++i) peers.push_back(&server.connect());
  peers[0]->to_server = "set a 0 0 100000\r\nxxx";
  EXPECT_TRUE(server.run());
  peers[0]->reset = true;
  EXPECT_TRUE(server.run());
  server.advance(2 * kIdleCheckEvery);
  server.step_all();
  EXPECT_TRUE(server.run());
}

TEST(Worker, StalledReaderCostsOnlyItself) {
  FakeServer server(Options{});
  FakeNetwork::Peer& stalled = server.connect();
  FakeNetwork::Peer& other = server.connect();
  const std::string value(1'000'000, 'v');
  EXPECT_EQ(server.ask(other, set_command("big", value)), "STORED\r\n");
  server.publish(plan_with(server.plan(), 8192, {CoreRole::kElastic}));
  stalled.window_bytes = 100'000;
  stalled.to_server = "get big\r\nget big\r\n";
  EXPECT_TRUE(server.run());
  EXPECT_EQ(stalled.from_server.size(), 100'000U);
  EXPECT_TRUE(same(server.ask(other, "get big\r\n"), value_reply("big", value)));
  stalled.window_bytes = ~std::uint64_t{0};
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(same(stalled.from_server, value_reply("big", value) + value_reply("big", value)));
}

TEST(Worker, UnsentRepliesStopExecution) {
  FakeServer server(Options{});
  FakeNetwork::Peer& peer = server.connect();
  EXPECT_EQ(server.ask(peer, set_command("a", std::string(8000, 'a'))), "STORED\r\n");
  peer.window_bytes = 0;
  for (int i = 0; i < 1000; ++i) peer.to_server += "get a\r\n";
  EXPECT_TRUE(server.run());
  EXPECT_LT(server.sum(Counter::kCmdGet), 20U);
  peer.window_bytes = ~std::uint64_t{0};
  EXPECT_TRUE(server.run());
  EXPECT_EQ(server.sum(Counter::kCmdGet), 1000U);
}

// Every slow reader holds buffers, more than there is memory for: they wait for each other.
TEST(Worker, RepliesWithoutABufferWaitForOne) {
  Options options;
  options.memory_bytes = 16 * kMiB;
  FakeServer server(options);
  FakeNetwork::Peer& writer = server.connect();
  const std::string value(8000, 'v');
  for (int i = 0; i < 4000; ++i) {
    ASSERT_EQ(server.ask(writer, set_command("k" + std::to_string(i), value)), "STORED\r\n");
  }
  std::vector<FakeNetwork::Peer*> peers;
  std::string wanted;
  for (int j = 0; j < 20; ++j) wanted += value_reply("k3999", value);
  for (int i = 0; i < 400; ++i) {
    peers.push_back(&server.connect());
    peers.back()->window_bytes = 0;
    for (int j = 0; j < 20; ++j) peers.back()->to_server += "get k3999\r\n";
  }
  for (int i = 0; i < 10'000; ++i) {
    server.step_all();
    server.advance(micros(10));
  }
  EXPECT_GT(server.sum(Counter::kBufferDenied), 0U);
  for (FakeNetwork::Peer* peer : peers) peer->window_bytes = ~std::uint64_t{0};
  EXPECT_TRUE(server.run());
  for (FakeNetwork::Peer* peer : peers) EXPECT_TRUE(same(peer->from_server, wanted));
}

TEST(Worker, EndOfStreamIsAnsweredThenClosed) {
  FakeServer server(Options{});
  FakeNetwork::Peer& peer = server.connect();
  peer.to_server = "get a\r\nset x 0 0 5\r\nab";
  peer.ended = true;
  EXPECT_TRUE(server.run());
  EXPECT_EQ(peer.from_server, "END\r\n");
  EXPECT_TRUE(peer.closed_by_server);
  FakeNetwork::Peer& killed = server.connect();
  killed.to_server = "set big 0 0 500000\r\nxxx";
  server.step(CoreId{0});
  killed.reset = true;
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(killed.closed_by_server);
}

TEST(Worker, IdleConnectionHoldsNoBuffer) {
  FakeServer server(Options{});
  std::vector<FakeNetwork::Peer*> peers;
  for (int i = 0; i < 200; ++i) peers.push_back(&server.connect());
  for (FakeNetwork::Peer* peer : peers) server.ask(*peer, "get a\r\n");
  EXPECT_LE(server.store().memory().buffer_bytes,
            4 * BufferPool::kBlockBuffers * BufferPool::kBufferBytes);
}

std::uint64_t digest_of_random_run(std::uint64_t seed, std::string& replies) {
  Options options;
  options.workers = 3;
  options.policy = PolicyKind::kSizeAware;
  FakeServer server(options);
  Prng prng(seed);
  std::vector<FakeNetwork::Peer*> peers;
  for (std::uint16_t i = 0; i < 12; ++i) {
    peers.push_back(&server.connect(CoreId{static_cast<std::uint16_t>(i % 2)}));
    peers.back()->segment_bytes = 1 + prng.below(50'000);
  }
  for (int i = 0; i < 400; ++i) {
    FakeNetwork::Peer& peer = *peers[prng.below(peers.size())];
    const std::string key = "k" + std::to_string(prng.below(20));
    if (prng.below(3) == 0) {
      const std::size_t bytes = prng.below(10) == 0 ? prng.below(300'000) : prng.below(200);
      peer.to_server += set_command(key, std::string(bytes, 'x'));
    } else {
      peer.to_server += "get " + key + "\r\n";
    }
    if (prng.below(4) == 0) server.step_all();
    if (i % 50 == 49) server.plan_epoch();
    server.advance(micros(10));
  }
  EXPECT_TRUE(server.run()) << "seed " << seed;
  for (FakeNetwork::Peer* peer : peers) replies += peer->from_server;
  return server.digest();
}

TEST(Worker, SameSeedSameRepliesAndReports) {
  std::string first;
  std::string second;
  std::string other;
  const std::uint64_t digest = digest_of_random_run(1, first);
  EXPECT_EQ(digest, digest_of_random_run(1, second));
  EXPECT_EQ(first, second);
  EXPECT_NE(digest, digest_of_random_run(2, other));
}

}  // namespace
}  // namespace minos
