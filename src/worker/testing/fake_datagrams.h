#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "wire/packet.h"

namespace minos {

// A datagram plane in memory: RX queues that clients fill, and what the server sent to them.
// Deterministic; no socket, thread or clock.
class FakeDatagrams {
 public:
  struct Packet {
    Peer peer;  // who sent it, or is to get it
    std::string bytes;
  };

  explicit FakeDatagrams(std::uint16_t queues) : to_server_(queues) {}

  std::uint16_t queues() const { return static_cast<std::uint16_t>(to_server_.size()); }
  // peer.queue says which RX queue it goes to.
  void send(const Peer& peer, std::string_view bytes) {
    to_server_[peer.queue.value].push_back({peer, std::string(bytes)});
  }
  bool has_packets(QueueId queue) const { return !to_server_[queue.value].empty(); }

  std::deque<Packet> to_clients;
  std::size_t packets_per_flush = ~std::size_t{0};  // that the way out takes from each port
  std::size_t kept = 0;                             // packets that somebody owns

 private:
  friend class FakePort;
  std::vector<std::deque<Packet>> to_server_;
};

// One worker's port into it.
class FakePort final : public DatagramPort {
 public:
  explicit FakePort(FakeDatagrams& plane) : plane_(plane) {}

  void receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
               std::uint32_t& full) override;
  char* room(const Peer& peer) override;
  void commit(std::size_t bytes) override;
  bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) override;
  KeptPacket keep(const RxPacket& packet) override;
  void flush() override;

 private:
  bool full() const { return sent_ >= plane_.packets_per_flush; }

  FakeDatagrams& plane_;
  std::deque<FakeDatagrams::Packet> received_;
  FakeDatagrams::Packet writing_;
  std::size_t sent_ = 0;  // since the last flush
};

}  // namespace minos
