#include "transport/udp/udp_sender.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transport/testing/udp_port_fixture.h"

namespace minos {
namespace {

using ::testing::ElementsAre;

TEST_F(UdpPortTest, RepliesComeFromThePortThatWasAsked) {
  UdpClient second(queues_->socket(QueueId{1}));
  client_.send("x");
  second.send("y");
  const Received first_queue = receive(port_, 1);
  const Received second_queue = receive(port_, 1, QueueId{1});
  ASSERT_EQ(first_queue.packets.size() + second_queue.packets.size(), 2U);
  send_small(port_, second_queue.packets[0].peer, "to y");
  send_small(port_, first_queue.packets[0].peer, "to x");
  send_small(port_, second_queue.packets[0].peer, "to y too");
  port_.flush();
  // Connected: what comes from another port is not theirs.
  EXPECT_EQ(client_.receive(), "to x");
  EXPECT_EQ(second.receive(), "to y");
  EXPECT_EQ(second.receive(), "to y too");
}

TEST_F(UdpPortTest, NothingIsSentBeforeFlushOrForACommitOfNothing) {
  const Peer to = peer();
  send_small(port_, to, "x");
  EXPECT_NE(port_.room(to), nullptr);
  port_.commit(0);
  EXPECT_TRUE(client_.is_silent());
  port_.flush();
  EXPECT_EQ(client_.receive(), "x");
  EXPECT_TRUE(client_.is_silent());
}

TEST_F(UdpPortTest, ManySmallRepliesOfOneAndOfManySizes) {
  const Peer to = peer();
  std::string sent;
  for (int i = 0; i < 1000; ++i) {  // more than a port holds: it hands out what it has
    const std::string text = numbered(1, 20 + static_cast<std::size_t>(i / 100 % 3)) +
                             std::to_string(i % 7 == 0 ? i : 100);
    sent += text;
    send_small(port_, to, text);
  }
  port_.flush();
  std::string got;
  while (got.size() < sent.size()) {
    const auto text = client_.receive();
    ASSERT_TRUE(text.has_value()) << got.size() << " of " << sent.size();
    got += *text;
  }
  EXPECT_EQ(got, sent);
  EXPECT_EQ(port_.counters().packets_out.get(), 1000U);
  EXPECT_EQ(port_.counters().tx_full.get(), 0U);
}

TEST_F(UdpPortTest, ATrainArrivesAtAPlainClientDatagramByDatagram) {
  const Peer to = peer();
  const std::string value = numbered(20, 1472) + std::string(99, 'z');
  EXPECT_EQ(gather(to, value, 1472), 21);
  send_small(port_, to, "small");
  port_.flush();
  std::string got;
  for (int i = 0; i < 21; ++i) {
    const auto text = client_.receive();
    ASSERT_TRUE(text.has_value());
    EXPECT_EQ(text->size(), i < 20 ? 1472U : 99U);
    got += *text;
  }
  EXPECT_EQ(got, value);
  EXPECT_EQ(client_.receive(), "small");
  EXPECT_EQ(port_.counters().packets_out.get(), 22U);
  EXPECT_EQ(port_.counters().batches_out.get(), 1U);
}

TEST_F(UdpPortTest, ATrainArrivesWholeAtAClientThatTakesTrains) {
  client_.set(UDP_GRO, 1);
  const Peer to = peer();
  const std::string value = numbered(100, 1472);
  EXPECT_EQ(gather(to, value, 1472), 100);
  port_.flush();
  std::string got;
  int messages = 0;
  while (got.size() < value.size()) {
    const auto text = client_.receive();
    ASSERT_TRUE(text.has_value());
    got += *text;
    ++messages;
  }
  EXPECT_EQ(got, value);
  EXPECT_EQ(messages, 3);  // 44 + 44 + 12
}

TEST_F(UdpPortTest, OnlyNeighboursOfOneSizeAndPeerAreATrain) {
  UdpClient other(queues_->socket(kQueue));
  other.send("hello");
  const Received hello = receive(port_, 1);
  const Peer to = peer();
  client_.set(UDP_GRO, 1);
  const auto send = [&](const Peer& peer, std::size_t bytes) {
    ASSERT_TRUE(port_.gather(peer, std::string(bytes, 'x'), {}));
  };
  for (const std::size_t bytes : std::array<std::size_t, 7>{10, 10, 5, 5, 20, 20, 20}) {
    send(to, bytes);
  }
  send(hello.packets[0].peer, 20);
  send(to, 20);
  port_.flush();
  std::vector<std::size_t> sizes;
  for (int i = 0; i < 4; ++i) sizes.push_back(client_.receive()->size());
  EXPECT_THAT(sizes, ElementsAre(25, 5, 60, 20));
  EXPECT_EQ(other.receive()->size(), 20U);
}

TEST_F(UdpPortTest, MoreThanAPortHoldsIsHandedOutMeanwhile) {
  const Peer to = peer();
  const std::string value = numbered(400, 1472);  // 575 KiB
  std::string got;
  for (std::size_t at = 0; at < value.size(); at += 100 * 1472) {
    const std::string_view piece = std::string_view(value).substr(at, 100 * 1472);
    EXPECT_EQ(gather(to, piece, 1472), 100);
    // So that the client's buffer does not overflow.
    port_.flush();
    for (int i = 0; i < 100; ++i) got += client_.receive().value_or("");
  }
  EXPECT_EQ(got, value);
  EXPECT_EQ(gather(to, value, 1472), 400);  // in one go
  port_.flush();
  EXPECT_EQ(port_.counters().packets_out.get(), 800U);
}

TEST_F(UdpPortTest, APeerThatIsGoneDisturbsNobody) {
  Peer gone;
  {
    UdpClient other(queues_->socket(kQueue));
    other.send("bye");
    gone = receive(port_, 1).packets.at(0).peer;
  }
  const Peer to = peer();
  Peer nowhere = to;
  nowhere.port = 0;  // no datagram can go there
  for (int i = 0; i < 3; ++i) {
    send_small(port_, gone, "anyone?");
    send_small(port_, nowhere, "anyone??");
    send_small(port_, to, "you");
    port_.flush();
    EXPECT_EQ(client_.receive(), "you");
    EXPECT_TRUE(receive(port_, 4).packets.empty());
  }
  EXPECT_EQ(port_.counters().send_errors.get(), 3U);
}

TEST_F(UdpPortTest, ATrainThatTheKernelWillNotCutGoesOutDatagramByDatagram) {
  const Peer to = peer();
  // The kernel cuts no trains for a socket without checksums.
  const int on = 1;
  ASSERT_EQ(::setsockopt(queues_->socket(kQueue), SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
  const std::string value = numbered(50, 700) + "end";
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(gather(to, value, 700), 51);
    send_small(port_, to, "small");
    port_.flush();
    std::string got;
    for (int i = 0; i < 51; ++i) got += client_.receive().value_or("");
    EXPECT_EQ(got, value);
    EXPECT_EQ(client_.receive(), "small");
  }
  EXPECT_EQ(port_.counters().send_errors.get(), 0U);
  // The second time nobody asks for a train.
  EXPECT_EQ(port_.counters().batches_out.get(), 53U);
}

TEST_F(UdpPortTest, WhatIsRefusedInAnyFormCostsItsHostNoTrains) {
  const Peer to = peer();
  Peer nowhere = to;
  nowhere.port = 0;
  const std::string value = numbered(20, 700);
  EXPECT_EQ(gather(nowhere, value, 700), 20);
  EXPECT_EQ(gather(to, value, 700), 20);
  port_.flush();
  EXPECT_EQ(port_.counters().send_errors.get(), 20U);
  EXPECT_EQ(port_.counters().packets_out.get(), 20U);
  client_.set(UDP_GRO, 1);
  EXPECT_EQ(gather(to, value, 700), 20);
  port_.flush();
  std::string got;
  for (int i = 0; i < 20; ++i) got += client_.receive().value_or("");
  EXPECT_EQ(got, value);
  EXPECT_EQ(client_.receive(), value);
}

TEST_F(UdpPortWithoutTrains, EverythingWorks) {
  client_.set(UDP_GRO, 1);
  const Peer to = peer();
  const std::string value = numbered(300, 1472);
  std::string got;
  for (std::size_t at = 0; at < value.size(); at += 100 * 1472) {
    EXPECT_EQ(gather(to, std::string_view(value).substr(at, 100 * 1472), 1472), 100);
    port_.flush();
    for (int i = 0; i < 100; ++i) {
      const auto text = client_.receive();
      ASSERT_TRUE(text.has_value());
      EXPECT_EQ(text->size(), 1472U);
      got += *text;
    }
  }
  EXPECT_EQ(got, value);
  client_.send_train(numbered(30, 100), 100);
  EXPECT_EQ(receive(port_, 40).all(), numbered(30, 100));
}

TEST(UdpPortIpv6, ReceivesAndSends) {
  const auto queues = open_queues(1, false, "::1");
  ASSERT_NE(queues, nullptr);
  UdpPort port(*queues, {.plane = 3});
  UdpClient client(queues->socket(kQueue));
  client.send_train("aabbc", 2);
  const Received got = receive(port, 8);
  ASSERT_THAT(got.texts(), ElementsAre("aa", "bb", "c"));
  const Peer& peer = got.packets[0].peer;
  EXPECT_EQ(peer.plane, 3);
  EXPECT_THAT(peer.address, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1));
  send_small(port, peer, "reply");
  ASSERT_TRUE(port.gather(peer, "gathered", {}));
  port.flush();
  EXPECT_EQ(client.receive(), "reply");
  EXPECT_EQ(client.receive(), "gathered");
}

}  // namespace
}  // namespace minos
