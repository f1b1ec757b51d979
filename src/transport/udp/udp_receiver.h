#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "transport/udp/udp_address.h"
#include "transport/udp/udp_counters.h"
#include "transport/udp/udp_queues.h"
#include "wire/packet.h"

namespace minos {

// The receiving half of a UdpPort: a fixed number of buffers, each for one message of the kernel's,
// which is a datagram or a train of datagrams of one peer that arrived as one. A quota counts
// datagrams, so a train may bring more than was asked for: the rest waits here, and comes first the
// next time. Used by one thread.
class UdpReceiver {
 public:
  // A message's buffer is message_bytes long: longer datagrams are skipped. `plane` is for Peer.
  UdpReceiver(const UdpQueues& queues, std::uint8_t plane, std::size_t message_bytes,
              UdpCounters& counters);

  // As DatagramPort::receive(). What waits here of queues that are no longer asked for comes too.
  void receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
               std::uint32_t& full);

  // Were datagrams received that receive() has not returned yet?
  bool has_waiting() const { return !waiting_.empty(); }

 private:
  using Index = std::uint16_t;  // of a message

  struct Message {
    UdpAddress from;
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo))];
    iovec part;
    Peer peer;
    std::size_t bytes;
    std::size_t segment_bytes;  // of each datagram in it but the last
    std::size_t offset;         // of what was not returned yet
    bool is_given;              // all of it was
  };

  void give_waiting(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets);
  bool has_waiting(QueueId queue) const;
  bool receive_from(QueueId queue, std::uint32_t packets_max, std::vector<RxPacket>& packets);
  std::size_t receive_batch(QueueId queue, std::size_t wanted);
  std::uint8_t local_of(const msghdr& header) const;
  std::size_t accept(const mmsghdr& header, QueueId queue, Message& message);
  std::uint32_t give(Index index, std::uint32_t packets_max, std::vector<RxPacket>& packets);

  const UdpQueues& queues_;
  const std::uint8_t plane_;
  UdpCounters& counters_;
  std::unique_ptr<char[]> memory_;
  std::vector<Message> messages_;
  std::vector<mmsghdr> headers_;     // of the batch that is being received
  std::vector<Index> batch_;         // whose headers these are
  std::vector<Index> free_;          // the last one is used next
  std::vector<Index> lent_;          // returned whole by the last receive()
  std::vector<Index> waiting_;       // in the order of their arrival
  std::vector<std::uint32_t> left_;  // of each queue's quota, during receive()
  std::size_t first_ = 0;            // whose turn it is to be asked first
  std::uint32_t train_ = 1;          // datagrams a message in the last batch, about
};

}  // namespace minos
