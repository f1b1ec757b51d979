#include "transport/udp/udp_locals.h"

#include <gtest/gtest.h>

#include <string>

#include "transport/testing/udp_port_fixture.h"

namespace minos {
namespace {

TEST(UdpLocals, NumbersAddressesUntilItIsFull) {
  UdpLocals locals;
  const auto address = [](std::uint8_t n) { return UdpLocals::Address{10, n}; };
  for (unsigned i = 0; i < UdpLocals::kAddressesMax; ++i) {
    EXPECT_EQ(locals.number_of(address(static_cast<std::uint8_t>(i))), i + 1);
  }
  EXPECT_EQ(locals.number_of(address(255)), 0);
  EXPECT_EQ(locals.number_of(address(7)), 8);
  EXPECT_EQ(locals.address_of(8), address(7));
}

// A client that hears only what comes from the one address and port that it sends to.
class OneAddressClient {
 public:
  OneAddressClient(const char* address, bool ipv6, std::uint16_t port)
      : fd_(::socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    UdpAddress to{};
    if (ipv6) {
      to.v6.sin6_family = AF_INET6;
      to.v6.sin6_port = htons(port);
      EXPECT_EQ(::inet_pton(AF_INET6, address, &to.v6.sin6_addr), 1);
    } else {
      to.v4.sin_family = AF_INET;
      to.v4.sin_port = htons(port);
      EXPECT_EQ(::inet_pton(AF_INET, address, &to.v4.sin_addr), 1);
    }
    EXPECT_EQ(::connect(fd_.get(), &to.any, address_bytes(ipv6)), 0);
    const timeval patience{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }

  void send(std::string_view bytes) { ::send(fd_.get(), bytes.data(), bytes.size(), 0); }
  std::string receive() {
    std::string bytes(2048, '\0');
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    return got < 0 ? "nothing" : bytes.substr(0, static_cast<std::size_t>(got));
  }

 private:
  Fd fd_;
};

// A small reply, a train, and a train that is sent datagram by datagram.
void check_replies(UdpQueues& queues, OneAddressClient& client, bool send_trains) {
  UdpPort::Options options;
  options.send_trains = send_trains;
  UdpPort port(queues, options);
  client.send("hello");
  Received hello;
  for (int i = 0; i < 1000 && hello.packets.empty(); ++i) {
    hello = receive(port, 4);
    if (hello.packets.empty()) ::usleep(1000);
  }
  ASSERT_EQ(hello.packets.size(), 1U);
  const Peer peer = hello.packets[0].peer;
  EXPECT_NE(peer.local, 0);
  send_small(port, peer, "small");
  const std::string large(1000, 'x');
  const iovec part = part_of(large);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(port.gather(peer, "front", {&part, 1}));
  port.flush();
  EXPECT_EQ(client.receive(), "small");
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.receive(), "front" + large);
  EXPECT_EQ(port.counters().send_errors.get(), 0U);
}

TEST(UdpLocals, RepliesComeFromTheAddressThatWasAsked) {
  std::uint16_t base_port = 0;
  const auto queues = open_queues(1, false, "0.0.0.0", &base_port);
  ASSERT_TRUE(queues);
  EXPECT_TRUE(queues->tells_locals());
  for (const char* address : {"127.0.0.1", "127.0.0.2", "127.7.7.7"}) {
    for (const bool trains : {true, false}) {
      OneAddressClient client(address, false, base_port);
      check_replies(*queues, client, trains);
    }
  }
}

TEST(UdpLocals, RepliesComeFromTheAddressThatWasAskedOverIpv6) {
  std::uint16_t base_port = 0;
  if (!Fd(::socket(AF_INET6, SOCK_DGRAM, 0))) GTEST_SKIP() << "no IPv6";
  const auto queues = open_queues(1, false, "::", &base_port);
  ASSERT_TRUE(queues);
  OneAddressClient client("::1", true, base_port);
  check_replies(*queues, client, true);
}

TEST(UdpLocals, WhereThereIsOneAddressNobodyAsksForIt) {
  const auto queues = open_queues(1);
  ASSERT_TRUE(queues);
  EXPECT_FALSE(queues->tells_locals());
}

}  // namespace
}  // namespace minos
