#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "transport/plane.h"
#include "transport/udp/udp_counters.h"
#include "transport/udp/udp_queues.h"
#include "transport/udp/udp_receiver.h"
#include "transport/udp/udp_sender.h"
#include "wire/packet.h"

namespace minos {

// One worker's way into the kernel's UDP: it may receive from any queue's socket, and sends through
// the socket of the queue that the request went to. Used by the worker's thread; its counters are
// read by any.
class UdpPort final : public DatagramPort, public Sleeper {
 public:
  struct Options {
    std::uint8_t plane = 0;   // of Peer
    bool send_trains = true;  // where the kernel can
    // Longest message received; the default takes any datagram and any train of them.
    std::size_t message_bytes = 64 * kKiB;
  };

  // The queues outlive it.
  UdpPort(UdpQueues& queues, const Options& options);
  UdpPort(const UdpPort&) = delete;
  UdpPort& operator=(const UdpPort&) = delete;

  void receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
               std::uint32_t& full) override;
  char* room(const Peer& peer) override { return sender_.room(peer); }
  void commit(std::size_t bytes) override { sender_.commit(bytes); }
  bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) override {
    return sender_.gather(peer, front, parts);
  }
  KeptPacket keep(const RxPacket& packet) override;
  void flush() override { sender_.flush(); }

  Nanos prepare_sleep(Poller& poller, std::span<const RxQueueQuota> queues, Nanos block) override;

  const UdpCounters& counters() const { return counters_; }

 private:
  UdpQueues& queues_;
  UdpCounters counters_;
  UdpReceiver receiver_;
  UdpSender sender_;
  std::bitset<kWorkersMax> watched_;  // queues that the poller watches
};

}  // namespace minos
