#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "transport/dpdk/dpdk_device.h"
#include "transport/dpdk/tx_queue.h"
#include "transport/frame/frame_replies.h"
#include "wire/packet.h"

namespace minos {

// One worker's way into a DPDK device: any RX queue, and TX queues of its own. It answers ARP and
// ICMP echo on its way. Used by the worker's thread, which has an EalThread; it never blocks and
// never sleeps, so a thread without work has to see to that itself (PollPause).
class DpdkPort final : public DatagramPort {
 public:
  // Received frames that may be in use besides those kept.
  static constexpr std::uint32_t kRxHeldMax = 512;

  // `worker` in [0, workers) is nobody else's; `plane` is what Peer::plane will be.
  DpdkPort(DpdkDevice& device, std::uint16_t worker, std::uint8_t plane);
  ~DpdkPort() override;
  DpdkPort(const DpdkPort&) = delete;
  DpdkPort& operator=(const DpdkPort&) = delete;

  // A quota below EthPort::rx_burst_min() may be exceeded up to that.
  void receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
               std::uint32_t& full) override;
  char* room(const Peer& peer) override { return replies_.room(peer); }
  void commit(std::size_t bytes) override { replies_.commit(bytes); }
  bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) override {
    return replies_.gather(peer, front, parts);
  }
  KeptPacket keep(const RxPacket& packet) override;
  void flush() override;

 private:
  void free_received();
  void take(std::span<rte_mbuf*> frames, std::vector<RxPacket>& packets);
  void answer_or_drop(std::string_view frame, FrameDrop why);
  TxQueue& open_large_tx(std::uint16_t worker);

  DpdkDevice& device_;
  const std::uint16_t eth_id_;
  const std::uint8_t plane_;
  const FrameSelf self_;
  DpdkCounters& counters_;
  std::atomic<std::uint32_t>& kept_;
  TxQueue tx_;
  std::optional<TxQueue> own_large_tx_;  // where the device has one for it
  FrameReplies<TxQueue> replies_;
  std::array<rte_mbuf*, kRxHeldMax> received_{};
  std::size_t received_count_ = 0;
};

}  // namespace minos
