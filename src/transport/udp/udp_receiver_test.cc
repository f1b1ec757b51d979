#include "transport/udp/udp_receiver.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transport/testing/udp_port_fixture.h"

namespace minos {
namespace {

using ::testing::ElementsAre;

TEST_F(UdpPortTest, ReceivesInOrderAndSaysFromWhom) {
  for (const char* text : {"one", "", "three"}) client_.send(text);
  const Received got = receive(port_, 8);
  EXPECT_THAT(got.texts(), ElementsAre("one", "", "three"));
  EXPECT_EQ(got.full, 0U);
  const Peer& peer = got.packets[0].peer;
  EXPECT_EQ(peer.port, client_.port());
  EXPECT_THAT(peer.address, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 127, 0, 0, 1));
  EXPECT_EQ(peer.queue, kQueue);
  EXPECT_EQ(port_.counters().packets_in.get(), 3U);
  EXPECT_EQ(port_.counters().batches_in.get(), 1U);
}

TEST_F(UdpPortTest, TakesNoMoreThanTheQuota) {
  for (int i = 0; i < 5; ++i) client_.send(std::to_string(i));
  Received got = receive(port_, 2);
  EXPECT_THAT(got.texts(), ElementsAre("0", "1"));
  EXPECT_EQ(got.full, 1U);
  got = receive(port_, 2);
  EXPECT_THAT(got.texts(), ElementsAre("2", "3"));
  got = receive(port_, 2);
  EXPECT_THAT(got.texts(), ElementsAre("4"));
  EXPECT_EQ(got.full, 0U);
  EXPECT_TRUE(receive(port_, 2).packets.empty());
}

TEST_F(UdpPortTest, CutsTrainsAndKeepsWhatIsBeyondTheQuota) {
  const std::string sent = numbered(20, 100) + numbered(1, 30);
  client_.send("before");
  client_.send_train(sent, 100);
  client_.send("after");
  std::string all;
  std::size_t packets = 0;
  for (int round = 0; round < 20 && packets < 23; ++round) {
    const Received got = receive(port_, 4);
    EXPECT_LE(got.packets.size(), 4U);
    EXPECT_EQ(got.full, packets + 4 <= 23 ? 1U : 0U) << round;
    all += got.all();
    packets += got.packets.size();
  }
  EXPECT_EQ(packets, 23U);
  EXPECT_EQ(all, "before" + sent + "after");
  EXPECT_TRUE(receive(port_, 4).packets.empty());
}

TEST_F(UdpPortTest, ManyTrainsComeWhole) {
  const std::string train = numbered(44, 1472);
  for (int i = 0; i < 40; ++i) client_.send_train(train, 1472);
  std::string all;
  for (int round = 0; round < 2000 && all.size() < 40 * train.size(); ++round) {
    all += receive(port_, 32).all();
  }
  std::string wanted;
  for (int i = 0; i < 40; ++i) wanted += train;
  EXPECT_TRUE(all == wanted) << all.size() << " bytes of " << wanted.size();
}

TEST_F(UdpPortTest, WhatWaitsComesEvenWhenItsQueueIsNoLongerAskedFor) {
  client_.send_train(numbered(60, 10), 10);
  EXPECT_EQ(receive(port_, 1).packets.size(), 1U);
  std::size_t packets = 0;
  for (int round = 0; round < 3; ++round) {
    const Received got = receive(port_, 7, QueueId{1});
    for (const RxPacket& packet : got.packets) EXPECT_EQ(packet.peer.queue, kQueue);
    packets += got.packets.size();
  }
  EXPECT_EQ(packets, 59U);
}

TEST_F(UdpPortTest, ReceivesLargeDatagrams) {
  const std::string large(65'507, 'x');
  const std::string jumbo(9000, 'y');
  client_.send(large);
  client_.send(jumbo);
  EXPECT_THAT(receive(port_, 2).texts(), ElementsAre(large, jumbo));
}

TEST_F(UdpPortTest, TwoPortsShareAQueue) {
  UdpPort other(*queues_, {});
  for (int i = 0; i < 6; ++i) client_.send(std::to_string(i));
  EXPECT_THAT(receive(port_, 2).texts(), ElementsAre("0", "1"));
  EXPECT_THAT(receive(other, 3).texts(), ElementsAre("2", "3", "4"));
  EXPECT_THAT(receive(port_, 2).texts(), ElementsAre("5"));
}

TEST_F(UdpPortTest, AsksEveryQueueInTurn) {
  UdpClient second(queues_->socket(QueueId{1}));
  for (int i = 0; i < 40; ++i) {
    client_.send("a");
    second.send("b");
  }
  const std::array<RxQueueQuota, 2> quotas{{{QueueId{0}, 32}, {QueueId{1}, 32}}};
  std::string all;
  for (int round = 0; round < 2; ++round) {  // there is memory for 32 messages in all
    Received got;
    port_.receive(quotas, got.packets, got.full);
    EXPECT_EQ(got.full, 2U);
    all += got.all();
  }
  EXPECT_EQ(all, std::string(32, 'a') + std::string(32, 'b'));
}

TEST_F(UdpPortTest, KeptPacketsOutliveTheNextReceive) {
  client_.send("keep me");
  client_.send("");
  const Received got = receive(port_, 2);
  ASSERT_EQ(got.packets.size(), 2U);
  const KeptPacket kept = port_.keep(got.packets[0]);
  const KeptPacket empty = port_.keep(got.packets[1]);
  for (int i = 0; i < 64; ++i) client_.send("something else");
  for (int i = 0; i < 4; ++i) receive(port_, 16);
  EXPECT_EQ(kept.bytes(), "keep me");
  EXPECT_EQ(kept.peer().port, client_.port());
  EXPECT_TRUE(static_cast<bool>(empty));
}

std::uint64_t count_of(const std::vector<PlaneCount>& counts, std::string_view name) {
  for (const PlaneCount& count : counts) {
    if (count.name == name) return count.count;
  }
  ADD_FAILURE() << "no " << name;
  return 0;
}

TEST_F(UdpPortTest, WhatThePlaneHasSeenAndWhatTheKernelDropped) {
  UdpPort other(*queues_, {});
  const std::array<const UdpCounters*, 2> ports = {&port_.counters(), &other.counters()};
  client_.send("a");
  receive(port_, 8);
  client_.send("b");
  receive(other, 8);
  EXPECT_EQ(count_of(counts_of(*queues_, ports), "packets_in"), 2U);
  EXPECT_EQ(count_of(counts_of(*queues_, ports), "socket_dropped"), 0U);
  // More than any buffer of a socket holds that is asked for here.
  const std::string bytes(1400, 'x');
  for (int i = 0; i < 20'000; ++i) client_.send(bytes);
  EXPECT_GT(count_of(counts_of(*queues_, ports), "socket_dropped"), 0U);
}

TEST_F(UdpPortWithoutTrains, SkipsTruncatedDatagrams) {
  client_.send("a");
  client_.send(std::string(2049, 'x'));
  client_.send(std::string(2048, 'b'));
  EXPECT_THAT(receive(port_, 8).texts(), ElementsAre("a", std::string(2048, 'b')));
  EXPECT_EQ(port_.counters().truncated.get(), 1U);
  EXPECT_EQ(port_.counters().packets_in.get(), 2U);
  for (int i = 0; i < 100; ++i) client_.send(std::string(3000, 'x'));  // no memory is lost
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(receive(port_, 16).packets.empty());
  client_.send("c");
  EXPECT_EQ(receive(port_, 8).all(), "c");
}

}  // namespace
}  // namespace minos
