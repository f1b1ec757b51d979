#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "sim/bounded_fifo.h"
#include "sim/sim_time.h"

namespace minos {

// Time on the wire of a datagram, whose payload is given: with Ethernet, IPv4 and UDP headers,
// preamble and gap, and not less than the shortest frame.
class WireSpeed {
 public:
  // 0: without limit.
  explicit WireSpeed(double gbit_s)
      : byte_femtos_(gbit_s == 0 ? 0 : static_cast<std::int64_t>(8e6 / gbit_s)) {}
  bool limited() const { return byte_femtos_ != 0; }
  Picos time_of(std::uint64_t payload_bytes) const {
    return static_cast<Picos>(frame_bytes(payload_bytes)) * byte_femtos_ / 1000;
  }
  static std::uint64_t frame_bytes(std::uint64_t payload_bytes) {
    constexpr std::uint64_t kHeaders = 14 + 20 + 8 + 4 + 20;
    constexpr std::uint64_t kFrameMin = 84;
    return std::max(payload_bytes + kHeaders, kFrameMin);
  }

 private:
  std::int64_t byte_femtos_;
};

// The way out of the server: TX queues that share a link, a packet of each in turn. Packets of a
// queue come in the order of their times. What is sent before some time is known once nobody will
// put in a packet that is ready before it.
class TxLink {
 public:
  struct Packet {
    Picos ready = 0;
    std::uint32_t request_id = 0;
    std::uint16_t datagram_bytes = 0;
    std::uint16_t value_bytes = 0;
  };
  using Sent = std::function<void(const Packet& packet, Picos at)>;

  TxLink(std::uint16_t queues, std::uint32_t queue_packets, WireSpeed speed, Sent sent)
      : speed_(speed),
        queue_packets_(queue_packets),
        sent_(std::move(sent)),
        ready_(queues, kNever) {
    queues_.reserve(queues);
    for (std::uint16_t i = 0; i < queues; ++i) queues_.emplace_back(kQueueMemory);
  }

  // Queues never hold much more than their size: a step in which they are checked adds a burst.
  bool has_room(std::uint16_t queue, bool large) const {
    if (!speed_.limited()) return true;
    return queues_[queue].size() < queue_packets_ - (large ? queue_packets_ / 4 : 0);
  }

  void push(std::uint16_t queue, const Packet& packet) {
    if (!speed_.limited()) return sent_(packet, packet.ready);
    if (queues_[queue].empty()) ready_[queue] = packet.ready;
    queues_[queue].push(packet);
  }

  // Sends what begins before `until`; nothing that is pushed afterwards is ready before that.
  void advance(Picos until) {
    if (!speed_.limited()) return;
    for (;;) {
      Picos earliest = kNever;
      for (const Picos ready : ready_) earliest = std::min(earliest, ready);
      const Picos start = std::max(earliest, free_at_);
      if (earliest == kNever || start >= until) return;
      while (ready_[next_] > start) next_ = next_ + 1U == ready_.size() ? 0 : next_ + 1;
      send(next_, start);
      next_ = next_ + 1U == ready_.size() ? 0 : next_ + 1;
    }
  }

  Picos busy() const { return busy_; }

 private:
  static constexpr std::size_t kQueueMemory = 1U << 21;

  void send(std::size_t queue, Picos start) {
    BoundedFifo<Packet>& packets = queues_[queue];
    const Packet packet = packets.front();
    packets.pop();
    ready_[queue] = packets.empty() ? kNever : packets.front().ready;
    const Picos took = speed_.time_of(packet.datagram_bytes);
    free_at_ = start + took;
    busy_ += took;
    sent_(packet, free_at_);
  }

  WireSpeed speed_;
  std::uint32_t queue_packets_;
  Sent sent_;
  std::vector<BoundedFifo<Packet>> queues_;
  std::vector<Picos> ready_;  // of the first of each queue; kNever: it is empty
  std::size_t next_ = 0;
  Picos free_at_ = 0;
  Picos busy_ = 0;
};

}  // namespace minos
