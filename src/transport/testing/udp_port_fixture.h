#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "transport/testing/udp.h"
#include "transport/udp/udp_port.h"

namespace minos {

inline constexpr QueueId kQueue{0};

// `count` datagrams of `bytes` each, that all differ, in a row.
inline std::string numbered(int count, std::size_t bytes) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    std::string one = std::to_string(i) + ":";
    one.resize(bytes, static_cast<char>('a' + i % 26));
    out += one;
  }
  return out;
}

// What one receive() returned.
struct Received {
  std::vector<RxPacket> packets;
  std::uint32_t full = 0;

  std::vector<std::string> texts() const {
    std::vector<std::string> out;
    out.reserve(packets.size());
    for (const RxPacket& packet : packets) out.emplace_back(packet.bytes);
    return out;
  }
  std::string all() const {
    std::string out;
    for (const RxPacket& packet : packets) out += packet.bytes;
    return out;
  }
};

inline Received receive(UdpPort& port, std::uint32_t packets_max, QueueId queue = kQueue) {
  Received out;
  const std::array<RxQueueQuota, 1> quotas{{{queue, packets_max}}};
  port.receive(quotas, out.packets, out.full);
  return out;
}

inline void send_small(UdpPort& port, const Peer& peer, std::string_view text) {
  char* const room = port.room(peer);
  ASSERT_NE(room, nullptr);
  std::memcpy(room, text.data(), text.size());
  port.commit(text.size());
}

inline iovec part_of(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};
}

class UdpPortTest : public ::testing::Test {
 protected:
  explicit UdpPortTest(const UdpPort::Options& options = {})
      : queues_(open_queues(2)), port_(*queues_, options), client_(queues_->socket(kQueue)) {}

  // Who the client is.
  Peer peer() {
    client_.send("hello");
    const Received hello = receive(port_, 1);
    EXPECT_EQ(hello.packets.size(), 1U);
    return hello.packets.empty() ? Peer() : hello.packets[0].peer;
  }

  // Gathers `bytes` as datagrams of `size` with a front of 4 bytes; returns how many were taken.
  int gather(const Peer& to, std::string_view bytes, std::size_t size) {
    int taken = 0;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(size, bytes.size()))) {
      const std::string_view datagram = bytes.substr(0, size);
      const std::size_t front = std::min<std::size_t>(4, datagram.size());
      const std::size_t half = (datagram.size() - front) / 2;
      const std::array<iovec, 2> parts{part_of(datagram.substr(front, half)),
                                       part_of(datagram.substr(front + half))};
      std::string copied(datagram.substr(0, front));
      if (!port_.gather(to, copied, parts)) break;
      copied.assign(copied.size(), '!');
      ++taken;
    }
    return taken;
  }

  std::unique_ptr<UdpQueues> queues_;
  UdpPort port_;
  UdpClient client_;
};

class UdpPortWithoutTrains : public UdpPortTest {
 protected:
  UdpPortWithoutTrains() : UdpPortTest({.send_trains = false, .message_bytes = 2048}) {
    const int off = 0;
    ::setsockopt(queues_->socket(kQueue), SOL_UDP, UDP_GRO, &off, sizeof off);
  }
};

}  // namespace minos
