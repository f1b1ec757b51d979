#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "base/units.h"
#include "transport/frame/frame.h"
#include "transport/frame/frame_replies.h"
#include "transport/plane.h"
#include "transport/rx_queue_lock.h"
#include "transport/xdp/xdp_program.h"
#include "transport/xdp/xdp_rx_queue.h"
#include "transport/xdp/xdp_socket.h"
#include "transport/xdp/xdp_tx_queue.h"

namespace minos {

// What one worker's port did; any thread reads.
struct XdpCounters : FrameCounters {
  XdpTxCounters tx;
};

// One network interface as an AF_XDP plane: RX queue q is UDP port base_port + q of its address,
// and RX queue q of the interface. If that has more, queue q receives from q + queues, q + 2 *
// queues … too: datagrams come there that nobody steers. Outlives its ports and whatever they kept.
class XdpDevice {
 public:
  struct Options {
    std::string interface{};
    std::optional<Ipv4Address> address{};  // one of the interface's; without, its first
    std::uint16_t base_port = 0;           // base_port + queues - 1 is at most 65535
    std::uint16_t queues = 1;              // as many as workers
  };
  // From now on datagrams for us reach no other program. Errors: sentences.
  static std::expected<std::unique_ptr<XdpDevice>, std::string> create(const Options& options);

  const FrameSelf& self() const { return self_; }
  // Why the kernel's own generic mode is used; empty when the interface's driver does the work.
  const std::string& why_generic() const { return program_.why_generic(); }

  RxQueueLock& rx_lock(QueueId queue) { return rx_locks_[queue.value]; }
  // What an RX queue receives from.
  std::span<XdpRxQueue* const> sources(QueueId queue) const { return sources_[queue.value]; }
  XdpSocket& socket(std::uint16_t index) { return *sockets_[index]; }
  XdpCounters& counters(std::uint16_t tx_queue) { return counters_[tx_queue].of_port; }
  // Of all ports, and what the kernel has dropped before they saw it. The same names in the same
  // order at every call. Any thread.
  std::vector<PlaneCount> counts() const;

 private:
  struct alignas(kCacheLineBytes) PortCounters {
    XdpCounters of_port;
  };

  XdpDevice(const FrameSelf& self, XdpProgram program)
      : self_(self),
        program_(std::move(program)),
        rx_locks_(self.ports),
        sources_(self.ports),
        counters_(self.ports) {}

  const FrameSelf self_;
  std::vector<std::unique_ptr<XdpSocket>> sockets_;  // by queue of the interface
  std::vector<std::unique_ptr<XdpRxQueue>> rx_queues_;
  XdpProgram program_;  // ends before the sockets that it gives frames to
  std::vector<RxQueueLock> rx_locks_;
  std::vector<std::vector<XdpRxQueue*>> sources_;
  std::vector<PortCounters> counters_;
};

}  // namespace minos
