#include "transport/dpdk/dpdk_device.h"

#include <utility>

#include "base/limits.h"
#include "transport/dpdk/dpdk_port.h"
#include "transport/dpdk/tx_queue.h"

namespace minos {

std::expected<std::unique_ptr<DpdkDevice>, std::string> DpdkDevice::create(
    const Options& options, std::unique_ptr<QueueSteering> steering) {
  if (options.queues == 0 || options.queues > kWorkersMax) {
    return std::unexpected("a DPDK plane has 1 to " + std::to_string(kWorkersMax) + " queues");
  }
  if (options.workers == 0 || options.workers > options.queues) {
    return std::unexpected("a DPDK plane has at least one RX queue for each worker, not " +
                           std::to_string(options.queues) + " for " +
                           std::to_string(options.workers));
  }
  if (options.base_port == 0 || options.base_port + options.queues - 1 > 65535) {
    return std::unexpected("UDP ports from " + std::to_string(options.base_port) +
                           " on do not suffice for " + std::to_string(options.queues) + " queues");
  }
  if (options.mac && ((*options.mac)[0] & 1) != 0) {
    return std::unexpected("the MAC address of a DPDK plane must not be a group address");
  }
  if (steering == nullptr) {
    const auto driver = EthPort::driver_of(options.name);
    if (!driver) return std::unexpected(driver.error());
    steering = make_steering(*driver);
  }
  std::unique_ptr<DpdkDevice> device(new DpdkDevice(options));
  auto eth = EthPort::open({.name = options.name,
                            .queues = options.queues,
                            .tx_queues_wanted = static_cast<std::uint16_t>(2 * options.workers),
                            .rx_buffers_used = DpdkPort::kRxHeldMax + options.kept_packets_max,
                            .tx_buffers_used = TxQueue::kBuffersUsed},
                           *steering);
  if (!eth) return std::unexpected(eth.error());
  device->eth_ = std::move(*eth);
  if (options.mac) device->eth_->set_mac(*options.mac);
  device->self_ = {.mac = device->eth_->mac(),
                   .address = options.address,
                   .base_port = options.base_port,
                   .ports = options.queues};
  const auto steered = steering->install(device->eth_->id(), options.base_port, options.queues);
  if (!steered) device->unsteered_ = steered.error();
  device->steering_ = std::move(steering);
  return device;
}

std::vector<PlaneCount> DpdkDevice::counts() const {
  std::vector<PlaneCount> counts;
  const auto add = [&](std::string_view name, auto&& counter_of) {
    std::uint64_t sum = 0;
    for (const PortCounters& port : counters_) sum += counter_of(port.of_port).get();
    counts.push_back({name, sum});
  };
  add("packets_in", [](const DpdkCounters& of) -> auto& { return of.received; });
  for (std::size_t i = 0; i < kFrameDrops; ++i) {
    add(counter_name(static_cast<FrameDrop>(i)),
        [i](const DpdkCounters& of) -> auto& { return of.dropped[i]; });
  }
  add("answered", [](const DpdkCounters& of) -> auto& { return of.answered; });
  add("packets_out", [](const DpdkCounters& of) -> auto& { return of.tx.sent; });
  add("tx_given_up", [](const DpdkCounters& of) -> auto& { return of.tx.given_up; });
  add("tx_full", [](const DpdkCounters& of) -> auto& { return of.no_room; });
  add("unsendable", [](const DpdkCounters& of) -> auto& { return of.unsendable; });
  add("not_kept", [](const DpdkCounters& of) -> auto& { return of.not_kept; });
  const EthPort::Losses lost = eth_->losses();
  counts.push_back({"device_rx_missed", lost.rx_missed});
  counts.push_back({"device_rx_errors", lost.rx_errors});
  counts.push_back({"device_rx_no_buffer", lost.rx_no_buffer});
  counts.push_back({"device_tx_errors", lost.tx_errors});
  return counts;
}

}  // namespace minos
