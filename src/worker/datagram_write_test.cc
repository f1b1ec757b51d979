#include <gtest/gtest.h>

#include "worker/testing/datagram_client.h"

namespace minos {
namespace {

// As when a core lost its CPU with the first copy at hand, and another one served the retry.
TEST(DatagramWrites, ACopyThatComesLongAfterItsAnswerChangesNothing) {
  FakeServer server({.workers = 2, .rx_queues = 2});
  DatagramClient client(server);
  client.learn_token();
  ASSERT_EQ(client.status(DatagramClient::request(DatagramOp::kSet, "n", "0")),
            DatagramStatus::kOk);
  Datagram by = DatagramClient::request(DatagramOp::kIncr, "n");
  by.number = 1;
  by.write = {1, 0};
  Datagram old = DatagramClient::request(DatagramOp::kSet, "key", "old");
  old.write = {1, 1};
  ASSERT_EQ(client.status(by), DatagramStatus::kOk);
  ASSERT_EQ(client.status(old), DatagramStatus::kOk);
  for (std::uint32_t i = 2; i < 300; ++i) {
    Datagram next = DatagramClient::request(DatagramOp::kSet, "key", "new");
    next.write = {1, i};
    ASSERT_EQ(client.status(next), DatagramStatus::kOk);
  }
  client.send(by, client.next_id());
  client.send(old, client.next_id());
  ASSERT_TRUE(server.run());
  EXPECT_TRUE(client.take().empty());
  EXPECT_EQ(client.get("n"), "1");
  EXPECT_EQ(client.get("key"), "new");
  EXPECT_EQ(server.sum(Counter::kStaleWrites), 2U);
}

// What costs are fitted to.
TEST(DatagramWrites, PacketsAndBytesAreCounted) {
  FakeServer server({.workers = 2, .rx_queues = 2});
  DatagramClient client(server);
  client.learn_token();
  const std::uint64_t before = server.sum(Counter::kReplies);
  const std::string small(100, 's');
  EXPECT_EQ(client.status(DatagramClient::request(DatagramOp::kSet, "small", small)),
            DatagramStatus::kOk);
  ASSERT_TRUE(client.get("small"));
  EXPECT_EQ(server.sum(Counter::kReplies) - before, 2U);
  EXPECT_EQ(server.sum(Counter::kReplyFragments), 0U);
  EXPECT_EQ(server.sum(Counter::kValueBytes), 200U);
  const std::string large(9000, 'l');
  const auto parts =
      DatagramClient::fragments(DatagramClient::request(DatagramOp::kSet, "large", large), 1400);
  const std::uint32_t id = client.next_id();
  for (const Datagram& part : parts) client.send(part, id);
  ASSERT_TRUE(server.run());
  ASSERT_EQ(client.take().size(), 1U);
  ASSERT_TRUE(client.get("large"));
  EXPECT_GE(server.sum(Counter::kSetFragments), parts.size());  // twice where they are passed on
  EXPECT_EQ(server.sum(Counter::kReplyFragments), 7U);
  EXPECT_EQ(server.sum(Counter::kValueBytes), 18'200U);
}

}  // namespace
}  // namespace minos
