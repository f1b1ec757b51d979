#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "base/units.h"
#include "transport/dpdk/eth_port.h"
#include "transport/dpdk/steering.h"
#include "transport/dpdk/tx_queue.h"
#include "transport/frame/frame.h"
#include "transport/frame/frame_replies.h"
#include "transport/plane.h"
#include "transport/rx_queue_lock.h"

namespace minos {

// What one worker's port did; any thread reads.
struct DpdkCounters : FrameCounters {
  SharedCounter answered;  // ARP and ICMP echo
  TxCounters tx;
};

// One Ethernet device of DPDK as a data plane: RX queue q is UDP port base_port + q of one IPv4
// address. Outlives its ports and whatever they kept.
class DpdkDevice {
 public:
  struct Options {
    std::string name{};  // of the device, as DPDK calls it; empty: the only one
    Ipv4Address address{};
    std::optional<MacAddress> mac{};  // instead of the device's own
    std::uint16_t base_port = 0;      // base_port + queues - 1 is at most 65535
    std::uint16_t queues = 1;         // RX queues
    std::uint16_t workers = 1;        // in [1, queues]
    // Packets that a worker keeps (fragments of values that are not complete) at most.
    std::uint32_t kept_packets_max = 1024;
  };

  // After Eal::start(). `steering`: null for the best one. Errors: sentences.
  static std::expected<std::unique_ptr<DpdkDevice>, std::string> create(
      const Options& options, std::unique_ptr<QueueSteering> steering = nullptr);

  const FrameSelf& self() const { return self_; }
  EthPort& eth() { return *eth_; }
  // Why datagrams may come to any RX queue; empty when they come to that of their port.
  const std::string& unsteered() const { return unsteered_; }

  // For the large replies of a worker, so that small ones need not wait behind them: a TX queue of
  // its own, where the device has so many; otherwise the one that it has anyway, which is that of
  // its number.
  std::uint16_t large_tx_queue(std::uint16_t worker) const {
    return eth_->tx_queues() < 2 * options_.workers
               ? worker
               : static_cast<std::uint16_t>(options_.workers + worker);
  }

  RxQueueLock& rx_lock(QueueId queue) { return rx_locks_[queue.value]; }
  // Packets that this worker has kept and that are not released yet. Relaxed: a number by itself;
  // the pool of buffers orders their reuse.
  std::atomic<std::uint32_t>& kept(std::uint16_t worker) { return kept_[worker].packets; }
  std::uint32_t kept_packets_max() const { return options_.kept_packets_max; }
  DpdkCounters& counters(std::uint16_t worker) { return counters_[worker].of_port; }
  // Of all ports, and what the device itself has dropped. The same names in the same order at every
  // call. Any thread.
  std::vector<PlaneCount> counts() const;

 private:
  struct alignas(kCacheLineBytes) Kept {
    std::atomic<std::uint32_t> packets{0};
  };
  struct alignas(kCacheLineBytes) PortCounters {
    DpdkCounters of_port;
  };

  explicit DpdkDevice(const Options& options)
      : options_(options),
        rx_locks_(options.queues),
        kept_(options.workers),
        counters_(options.workers) {}

  const Options options_;
  FrameSelf self_;
  std::unique_ptr<QueueSteering> steering_;
  std::string unsteered_;
  std::vector<RxQueueLock> rx_locks_;
  std::vector<Kept> kept_;
  std::vector<PortCounters> counters_;
  std::unique_ptr<EthPort> eth_;
};

}  // namespace minos
