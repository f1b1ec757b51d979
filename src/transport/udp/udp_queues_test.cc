#include "transport/udp/udp_queues.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "transport/testing/udp.h"

namespace minos {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// Waits for a datagram; false when none comes.
bool has_datagram(int socket) {
  pollfd wanted{socket, POLLIN, 0};
  return ::poll(&wanted, 1, 5000) == 1;
}

TEST(UdpQueues, ConsecutivePorts) {
  std::uint16_t base = 0;
  const auto queues = open_queues(3, false, "127.0.0.1", &base);
  EXPECT_EQ(queues->count(), 3);
  EXPECT_EQ(queues->name(), fmt::format("udp:127.0.0.1:{}-{}", base, base + 2));
  for (std::uint16_t i = 0; i < 3; ++i) {
    sockaddr_in at{};
    socklen_t size = sizeof at;
    ::getsockname(queues->socket(QueueId{i}), reinterpret_cast<sockaddr*>(&at), &size);
    EXPECT_EQ(ntohs(at.sin_port), base + i);
  }
  EXPECT_GT(queues->receive_buffer_bytes(), 0U);
  EXPECT_LE(queues->receive_buffer_bytes(), 4 * kMiB);
  EXPECT_GT(queues->send_buffer_bytes(), 0U);
}

TEST(UdpQueues, RoutersMayFragmentWhatIsSent) {
  const auto queues = open_queues(2);
  for (std::uint16_t i = 0; i < 2; ++i) {
    int discovery = -1;
    socklen_t size = sizeof discovery;
    ::getsockopt(queues->socket(QueueId{i}), IPPROTO_IP, IP_MTU_DISCOVER, &discovery, &size);
    EXPECT_EQ(discovery, IP_PMTUDISC_OMIT);
  }
}

TEST(UdpQueues, ErrorsNameAddressAndPort) {
  std::uint16_t base = 0;
  const auto taken = open_queues(2, false, "127.0.0.1", &base);
  UdpQueues::Options options;
  options.queues = 2;
  options.base_port = static_cast<std::uint16_t>(base - 1);
  const auto second = UdpQueues::open("127.0.0.1", options);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(),
              StartsWith(fmt::format("cannot receive datagrams on udp:127.0.0.1:{}: ", base)));
  // 2001:db8::1 is for documentation: nobody has it.
  const auto absent = UdpQueues::open("2001:db8::1", options);
  ASSERT_FALSE(absent.has_value());
  EXPECT_THAT(absent.error(), HasSubstr(fmt::format("udp6:[2001:db8::1]:{}: ", base - 1)));
  const auto unknown = UdpQueues::open("no.such.host.invalid", options);
  ASSERT_FALSE(unknown.has_value());
  EXPECT_THAT(unknown.error(), HasSubstr("'no.such.host.invalid'"));
}

TEST(UdpQueues, ASinglePortSteersByTheQueueByte) {
  for (const char* host : {"127.0.0.1", "::1"}) {
    const auto queues = open_queues(3, true, host);
    UdpClient client(queues->socket(QueueId{0}));
    for (int byte = 0; byte < 256; ++byte) {
      std::string datagram(40, '\xff');  // every other byte would lead elsewhere
      datagram[27] = static_cast<char>(byte);
      client.send(datagram);
      const int socket = queues->socket(QueueId{static_cast<std::uint16_t>(byte % 3)});
      ASSERT_TRUE(has_datagram(socket)) << host << " " << byte;
      char received[64];
      EXPECT_EQ(::recv(socket, received, sizeof received, 0), 40);
    }
    client.send("short");
    EXPECT_TRUE(has_datagram(queues->socket(QueueId{0})));
  }
}

TEST(UdpQueues, ASinglePortThatIsTakenIsAnError) {
  UdpQueues::Options options;
  options.queues = 2;
  options.single_port = true;
  const auto taken = open_queues(2, true, "127.0.0.1", &options.base_port);
  EXPECT_EQ(taken->name(), fmt::format("udp:127.0.0.1:{}", options.base_port));
  const auto second = UdpQueues::open("127.0.0.1", options);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr("in use"));
}

}  // namespace
}  // namespace minos
