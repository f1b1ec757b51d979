#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "transport/frame/frame_replies.h"
#include "transport/plane.h"
#include "transport/xdp/xdp_device.h"
#include "transport/xdp/xdp_tx_queue.h"
#include "wire/packet.h"

namespace minos {

// One worker's way into an AF_XDP plane: any RX queue, and the TX ring of the socket of its own
// queue. Used by the worker's thread; its counters are read by any.
class XdpPort final : public DatagramPort, public Sleeper {
 public:
  // Received frames that may be in use besides those kept.
  static constexpr std::size_t kRxHeldMax = 512;

  // `tx_queue` in [0, queues) is nobody else's; `plane` is what Peer::plane will be.
  XdpPort(XdpDevice& device, std::uint16_t tx_queue, std::uint8_t plane);
  ~XdpPort() override;
  XdpPort(const XdpPort&) = delete;
  XdpPort& operator=(const XdpPort&) = delete;

  void receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
               std::uint32_t& full) override;
  char* room(const Peer& peer) override { return replies_.room(peer); }
  void commit(std::size_t bytes) override { replies_.commit(bytes); }
  bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) override {
    return replies_.gather(peer, front, parts);
  }
  KeptPacket keep(const RxPacket& packet) override;
  void flush() override { tx_.flush(); }

  Nanos prepare_sleep(Poller& poller, std::span<const RxQueueQuota> queues, Nanos block) override;

 private:
  void free_received();
  std::size_t receive_from(std::span<XdpRxQueue* const> sources, std::size_t wanted);
  void take(std::span<const RxFrame> frames, std::vector<RxPacket>& packets);
  bool watch(Poller& poller, QueueId queue);

  XdpDevice& device_;
  const std::uint8_t plane_;
  const FrameSelf self_;
  XdpCounters& counters_;
  XdpTxQueue tx_;
  FrameReplies<XdpTxQueue> replies_;
  std::array<RxFrame, kRxHeldMax> received_{};
  std::size_t received_count_ = 0;
  std::uint32_t rounds_ = 0;
  std::bitset<kWorkersMax> watched_;  // queues that the poller watches
};

}  // namespace minos
