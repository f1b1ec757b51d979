// Who executes a datagram that another core received.

#include <gtest/gtest.h>

#include <string>

#include "worker/testing/datagram_client.h"
#include "worker/testing/fake_server.h"

namespace minos {
namespace {

using enum DatagramOp;

constexpr auto get_of = [](std::string_view key) { return DatagramClient::request(kGet, key); };

// A server with a small and a huge value, whose way out takes a few packets a step only, so that a
// huge reply takes many steps.
struct Busy {
  explicit Busy(PolicyKind policy, std::uint16_t workers)
      : server({.policy = policy, .workers = workers, .rx_queues = workers}), client(server) {
    client.learn_token();
    client.send(DatagramClient::request(kSet, "small", "value"), client.next_id());
    const std::string huge(500'000, 'h');
    const std::uint32_t id = client.next_id();
    for (const auto& part :
         DatagramClient::fragments(DatagramClient::request(kSet, "huge", huge), 1400)) {
      client.send(part, id);
    }
    CHECK(server.run());
    CHECK(client.take().size() == 2);
    server.datagrams().packets_per_flush = 8;
  }

  std::size_t small_replies() {
    std::size_t count = 0;
    for (const auto& reply : client.take()) {
      if (parse_reply(reply.bytes)->payload == "value") ++count;
    }
    return count;
  }

  FakeServer server;
  DatagramClient client;
};

TEST(DatagramSharing, AThiefTakesWhatWasReceivedBehindAHugeRequest) {
  Busy busy(PolicyKind::kWorkStealing, 2);
  busy.client.send(get_of("huge"), 1000, 0);
  for (std::uint32_t i = 0; i < 6; ++i) busy.client.send(get_of("small"), 1001 + i, 0);
  busy.server.step(CoreId{0});  // receives all, begins the huge one, and those taken with it
  EXPECT_EQ(busy.small_replies(), 0U);
  busy.server.step(CoreId{1});
  EXPECT_EQ(busy.small_replies(), 3U);
  EXPECT_EQ(busy.server.sum(Counter::kStolen), 3U);
  ASSERT_TRUE(busy.server.run());
  EXPECT_EQ(busy.server.datagrams().kept, 0U);
}

TEST(DatagramSharing, NobodyTakesWhatAKeyHashCoreHolds) {
  Busy busy(PolicyKind::kKeyHash, 2);
  busy.client.send(get_of("huge"), 1000, 0);
  for (std::uint32_t i = 0; i < 6; ++i) busy.client.send(get_of("small"), 1001 + i, 0);
  busy.server.step(CoreId{0});
  busy.server.step(CoreId{1});
  busy.client.send(get_of("small"), 1007, 0);
  busy.server.step(CoreId{1});
  EXPECT_EQ(busy.small_replies(), 0U);
  ASSERT_TRUE(busy.server.run());
}

TEST(DatagramSharing, AnIdleCoreTakesFromAnotherQueue) {
  for (const PolicyKind policy : {PolicyKind::kElastic, PolicyKind::kWorkStealing}) {
    Busy busy(policy, 2);
    for (std::uint32_t i = 0; i < 2; ++i) busy.client.send(get_of("small"), 1000 + i, 1);
    busy.server.step(CoreId{0});  // worker 1 is at something else
    EXPECT_EQ(busy.small_replies(), 2U) << name_of(policy);
  }
  for (const PolicyKind policy : {PolicyKind::kSizeAware, PolicyKind::kKeyHash}) {
    Busy busy(policy, 2);
    busy.client.send(get_of("small"), 1000, 0);
    busy.server.step(CoreId{1});
    EXPECT_EQ(busy.small_replies(), 0U) << name_of(policy);
  }
}

TEST(DatagramSharing, AnElasticCoreLeavesASmallCoreAFewRequests) {
  Busy busy(PolicyKind::kElastic, 2);
  busy.server.datagrams().packets_per_flush = 32;
  ASSERT_EQ(busy.server.plan().role(CoreId{0}), CoreRole::kSmall);
  for (std::uint32_t i = 0; i < 11; ++i) busy.client.send(get_of("small"), 1000 + i, 0);
  busy.server.step(CoreId{1});
  EXPECT_EQ(busy.small_replies(), 0U);
  for (std::uint32_t i = 11; i < 20; ++i) busy.client.send(get_of("small"), 1000 + i, 0);
  busy.server.step(CoreId{1});
  EXPECT_EQ(busy.small_replies(), 16U);
  busy.server.step(CoreId{0});
  EXPECT_EQ(busy.small_replies(), 4U);
}

TEST(DatagramSharing, ADispatcherGivesRequestsToIdleWorkersOnly) {
  Busy busy(PolicyKind::kSoftwareHandoff, 3);
  busy.server.step_all();  // both workers say that they are idle
  busy.server.step_all();
  busy.client.send(get_of("huge"), 1000, 0);
  busy.server.step(CoreId{0});
  busy.server.step(CoreId{1});
  busy.server.step(CoreId{2});
  busy.small_replies();
  for (std::uint32_t i = 0; i < 10; ++i) {
    busy.client.send(get_of("small"), 1001 + i, static_cast<std::uint16_t>(i % 3));
  }
  std::size_t replies = 0;
  for (int round = 0; round < 40; ++round) {
    busy.server.step_all();
    replies += busy.small_replies();
  }
  EXPECT_EQ(replies, 10U) << "the worker that is not busy serves all";
  EXPECT_EQ(busy.server.sum(Counter::kLargeRequests), 0U) << "the huge one still goes on";
  EXPECT_EQ(busy.server.stats(CoreId{0}).get(Counter::kRequests), 0U);
  ASSERT_TRUE(busy.server.run());
  EXPECT_EQ(busy.server.datagrams().kept, 0U);
}

TEST(DatagramSharing, SizeAwareSendsTheHugeToItsCore) {
  Busy busy(PolicyKind::kSizeAware, 2);
  CorePlan plan = busy.server.plan();
  ++plan.version;
  plan.threshold_bytes = 10'000;
  plan.cores[0].role = CoreRole::kSmall;
  plan.cores[1].role = CoreRole::kLarge;
  plan.cores[1].large_range = {10'001, ~std::uint64_t{0}};
  busy.server.publish(plan);
  busy.server.step_all();
  busy.client.send(get_of("huge"), 1000, 0);
  busy.client.send(get_of("small"), 1001, 1);  // the large core's queue
  busy.server.step(CoreId{1});
  EXPECT_TRUE(busy.client.take().empty()) << "a large core does not drain the network";
  busy.server.step(CoreId{0});
  EXPECT_EQ(busy.small_replies(), 1U);
  EXPECT_EQ(busy.server.stats(CoreId{0}).get(Counter::kQuanta), 0U);
  ASSERT_TRUE(busy.server.run());
  EXPECT_EQ(busy.server.stats(CoreId{0}).get(Counter::kQuanta), 0U);
  EXPECT_EQ(busy.server.stats(CoreId{1}).get(Counter::kLargeRequests), 1U);
}

TEST(DatagramSharing, AReplyFollowsThePlan) {
  Busy busy(PolicyKind::kSizeAware, 2);
  const auto publish = [&](std::uint16_t large) {
    CorePlan plan = busy.server.plan();
    ++plan.version;
    plan.threshold_bytes = 10'000;
    for (std::uint16_t i = 0; i < 2; ++i) {
      plan.cores[i].role = i == large ? CoreRole::kLarge : CoreRole::kSmall;
      plan.cores[i].large_range = i == large ? SizeRange{10'001, ~std::uint64_t{0}} : SizeRange{};
    }
    busy.server.publish(plan);
  };
  publish(1);
  busy.server.step_all();
  busy.client.send(get_of("huge"), 1000, 0);
  for (int i = 0; i < 4; ++i) busy.server.step_all();
  EXPECT_EQ(busy.server.stats(CoreId{0}).get(Counter::kQuanta), 0U);
  EXPECT_GT(busy.server.stats(CoreId{1}).get(Counter::kQuanta), 0U);
  publish(0);
  ASSERT_TRUE(busy.server.run());
  EXPECT_GT(busy.server.stats(CoreId{0}).get(Counter::kQuanta), 0U);
  EXPECT_EQ(busy.server.stats(CoreId{0}).get(Counter::kLargeRequests), 1U);
  EXPECT_EQ(DatagramClient::value_of(busy.client.take())->size(), 500'000U);
}

}  // namespace
}  // namespace minos
