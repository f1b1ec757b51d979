// Connections that move between workers: with their requests, their replies and large values.

#include <gtest/gtest.h>

#include <string>

#include "worker/testing/fake_server.h"
#include "worker/testing/text.h"

namespace minos {
namespace {

using Options = FakeServer::Options;

Options two_workers(PolicyKind policy) {
  Options options;
  options.policy = policy;
  options.workers = 2;
  return options;
}

void publish(FakeServer& server, CoreRole first, CoreRole second) {
  server.publish(plan_with(server.plan(), 8192, {first, second}));
}

TEST(MovingConnection, SizeAwareMovesLargeWorkToTheLargeCoreAndBack) {
  FakeServer server(two_workers(PolicyKind::kSizeAware));
  publish(server, CoreRole::kSmall, CoreRole::kLarge);
  FakeNetwork::Peer& peer = server.connect(CoreId{0});
  const std::string value(300'000, 'v');
  EXPECT_TRUE(
      same(server.ask(peer, set_command("big", value) + "get big\r\n" + set_command("a", "1")),
           "STORED\r\n" + value_reply("big", value) + "STORED\r\n"));
  EXPECT_EQ(server.stats(CoreId{0}).get(Counter::kQuanta), 0U) << "large work on a small core";
  EXPECT_GT(server.stats(CoreId{1}).get(Counter::kQuanta), 8U);
  EXPECT_EQ(server.stats(CoreId{1}).get(Counter::kLargeRequests), 2U);
  // Both came home: the small command after them ran on core 0.
  EXPECT_EQ(server.stats(CoreId{0}).get(Counter::kHandOffsOut), 2U);
  EXPECT_EQ(server.stats(CoreId{1}).get(Counter::kHandOffsOut), 2U);
}

TEST(MovingConnection, CoreThatTurnsLargeGivesItsConnectionsAway) {
  FakeServer server(two_workers(PolicyKind::kSizeAware));
  std::vector<FakeNetwork::Peer*> peers;
  for (int i = 0; i < 100; ++i) peers.push_back(&server.connect(CoreId{1}));
  EXPECT_EQ(server.ask(*peers[0], set_command("a", "1")), "STORED\r\n");
  publish(server, CoreRole::kSmall, CoreRole::kLarge);
  // A connection with a command under way moves once that is done.
  peers[7]->to_server = "set b 0 0 10\r\n12345";
  server.step_all();
  EXPECT_TRUE(server.run());
  EXPECT_EQ(server.ask(*peers[7], "67890\r\n"), "STORED\r\n");
  for (FakeNetwork::Peer* peer : peers)
    EXPECT_TRUE(same(server.ask(*peer, "get a\r\n"), value_reply("a", "1")));
  EXPECT_EQ(server.stats(CoreId{1}).get(Counter::kMigrated), 100U);
}

TEST(MovingConnection, LargeWorkFollowsAPlanThatChangesUnderIt) {
  FakeServer server(two_workers(PolicyKind::kElastic));
  publish(server, CoreRole::kElastic, CoreRole::kSmall);
  FakeNetwork::Peer& reader = server.connect(CoreId{0});
  FakeNetwork::Peer& writer = server.connect(CoreId{0});
  const std::string value(900'000, 'v');
  EXPECT_EQ(server.ask(reader, set_command("big", value)), "STORED\r\n");
  reader.to_server = "get big\r\n";
  writer.to_server = set_command("new", value);
  for (int i = 0; i < 4; ++i) server.step_all();
  EXPECT_LT(reader.from_server.size(), value.size());
  publish(server, CoreRole::kSmall, CoreRole::kElastic);
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(same(reader.from_server, value_reply("big", value)));
  EXPECT_EQ(writer.from_server, "STORED\r\n");
  EXPECT_GT(server.stats(CoreId{1}).get(Counter::kQuanta), 0U);
}

TEST(MovingConnection, PlanChangesAsTheReceiverOfALargeValueGoesOn) {
  FakeServer server(two_workers(PolicyKind::kSizeAware));
  publish(server, CoreRole::kSmall, CoreRole::kLarge);
  FakeNetwork::Peer& peer = server.connect(CoreId{1});
  const std::string value(300'000, 'v');
  EXPECT_EQ(server.ask(peer, set_command("big", value)), "STORED\r\n");
  peer.window_bytes = 10;
  peer.to_server = "get big\r\n";
  while (peer.from_server.size() < 10) server.step_all();
  // In one step of core 1: the value is to move to core 0, and its stream can be written again.
  publish(server, CoreRole::kLarge, CoreRole::kSmall);
  peer.window_bytes = ~std::uint64_t{0};
  peer.to_server = "get big\r\n";
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(same(peer.from_server, value_reply("big", value) + value_reply("big", value)));
  EXPECT_GT(server.stats(CoreId{0}).get(Counter::kQuanta), 0U);
}

// Its stream was full when it left: the new core has to find out by itself that it no longer is.
TEST(MovingConnection, UnsentRepliesGoOnAfterTheMove) {
  for (const bool upload : {false, true}) {
    FakeServer server(two_workers(PolicyKind::kSizeAware));
    publish(server, CoreRole::kSmall, CoreRole::kLarge);
    FakeNetwork::Peer& peer = server.connect(CoreId{0});
    const std::string value(300'000, 'v');
    EXPECT_EQ(server.ask(peer, set_command("a", "1")), "STORED\r\n");
    EXPECT_EQ(server.ask(peer, set_command("big", value)), "STORED\r\n");
    peer.window_bytes = 0;
    peer.to_server = "get a\r\n" + (upload ? set_command("new", value) : "get big\r\n");
    EXPECT_TRUE(server.run());
    EXPECT_EQ(peer.from_server, "");
    peer.window_bytes = ~std::uint64_t{0};
    EXPECT_TRUE(server.run());
    EXPECT_TRUE(same(peer.from_server,
                     value_reply("a", "1") + (upload ? "STORED\r\n" : value_reply("big", value))));
  }
}

TEST(MovingConnection, ClientThatDoesNotReadLeavesTheServerAtRest) {
  FakeServer server(two_workers(PolicyKind::kSizeAware));
  publish(server, CoreRole::kSmall, CoreRole::kLarge);
  FakeNetwork::Peer& peer = server.connect(CoreId{0});
  peer.window_bytes = 0;
  peer.to_server = set_command("big", std::string(100'000, 'v')) + "get a\r\n";
  EXPECT_TRUE(server.run());
  peer.window_bytes = ~std::uint64_t{0};
  EXPECT_TRUE(server.run());
  EXPECT_EQ(peer.from_server, "STORED\r\nEND\r\n");
}

TEST(MovingConnection, BusyConnectionLeavesACoreThatTurnedLarge) {
  FakeServer server(two_workers(PolicyKind::kSizeAware));
  FakeNetwork::Peer& peer = server.connect(CoreId{1});
  EXPECT_EQ(server.ask(peer, set_command("a", "1")), "STORED\r\n");
  publish(server, CoreRole::kSmall, CoreRole::kLarge);
  EXPECT_EQ(server.ask(peer, "get a\r\n"), value_reply("a", "1"));
  const std::uint64_t before = server.stats(CoreId{1}).get(Counter::kRequests);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(server.ask(peer, "get a\r\n"), value_reply("a", "1"));
  EXPECT_EQ(server.stats(CoreId{1}).get(Counter::kRequests), before);
}

TEST(MovingConnection, ResetInTheStepThatMovesIt) {
  FakeServer server(two_workers(PolicyKind::kElastic));
  publish(server, CoreRole::kElastic, CoreRole::kSmall);
  FakeNetwork::Peer& peer = server.connect(CoreId{0});
  EXPECT_EQ(server.ask(peer, set_command("big", std::string(900'000, 'v'))), "STORED\r\n");
  peer.to_server = "get big\r\n";
  server.step_all();
  server.step_all();
  peer.reset = true;
  publish(server, CoreRole::kSmall, CoreRole::kElastic);
  EXPECT_TRUE(server.run());
  EXPECT_TRUE(peer.closed_by_server);
}

TEST(MovingConnection, UploadEndsInTheStepThatMovesIt) {
  FakeServer server(two_workers(PolicyKind::kElastic));
  publish(server, CoreRole::kElastic, CoreRole::kSmall);
  FakeNetwork::Peer& peer = server.connect(CoreId{0});
  const std::string value(100'000, 'v');
  peer.to_server = set_command("big", value);
  while (peer.to_server.size() > 60'000) server.step(CoreId{0});
  publish(server, CoreRole::kSmall, CoreRole::kElastic);
  EXPECT_TRUE(server.run());
  EXPECT_EQ(peer.from_server, "STORED\r\n");
  peer.from_server.clear();
  EXPECT_TRUE(same(server.ask(peer, "get big\r\n"), value_reply("big", value)));
}

TEST(MovingConnection, MayBeOnItsWayWhenTheServerEnds) {
  FakeServer server(two_workers(PolicyKind::kSizeAware));
  publish(server, CoreRole::kSmall, CoreRole::kLarge);
  FakeNetwork::Peer& peer = server.connect(CoreId{0});
  EXPECT_EQ(server.ask(peer, set_command("big", std::string(300'000, 'v'))), "STORED\r\n");
  peer.to_server = "get big\r\n";
  server.step(CoreId{0});
  EXPECT_EQ(server.stats(CoreId{0}).get(Counter::kHandOffsOut), 2U);
}

}  // namespace
}  // namespace minos
