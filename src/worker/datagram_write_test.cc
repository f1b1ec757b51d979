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

}  // namespace
}  // namespace minos
