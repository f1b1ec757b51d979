#include "transport/xdp/xdp_device.h"

#include <fmt/format.h>
#include <linux/if_xdp.h>
#include <sys/socket.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <utility>

#include "base/limits.h"
#include "transport/xdp/net_interface.h"

namespace minos {

namespace {

std::expected<void, std::string> check_queues(const NetInterface& interface, std::uint16_t wanted) {
  const std::uint32_t there = std::min(interface.rx_queues, interface.tx_queues);
  if (there < wanted) {
    return std::unexpected(fmt::format(
        "the interface has {} receive and {} send queues, and {} of each are needed: ethtool -L "
        "may give it more",
        interface.rx_queues, interface.tx_queues, wanted));
  }
  if (interface.rx_queues > kWorkersMax) {
    return std::unexpected(
        fmt::format("the interface has {} receive queues, {} at most can be served: ethtool -L may "
                    "give it fewer",
                    interface.rx_queues, kWorkersMax));
  }
  return {};
}

// What they would print is said by our errors.
void silence_libraries() {
  ::libbpf_set_print(nullptr);
  ::libxdp_set_print(nullptr);
}

}  // namespace

std::expected<std::unique_ptr<XdpDevice>, std::string> XdpDevice::create(const Options& options) {
  silence_libraries();
  const auto interface = find_interface(options.interface, options.address);
  if (!interface) return std::unexpected(interface.error());
  if (const auto checked = check_queues(*interface, options.queues); !checked) {
    return std::unexpected(checked.error());
  }
  const FrameSelf self{.mac = interface->mac,
                       .address = interface->address,
                       .base_port = options.base_port,
                       .ports = options.queues};
  auto program = XdpProgram::load(self, interface->rx_queues);
  if (!program) return std::unexpected(program.error());
  if (const auto attached = program->attach(interface->index); !attached) {
    return std::unexpected(attached.error());
  }
  std::unique_ptr<XdpDevice> device(new XdpDevice(self, std::move(*program)));
  for (std::uint32_t queue = 0; queue < interface->rx_queues; ++queue) {
    auto socket = XdpSocket::open(
        {.interface = options.interface, .queue = queue, .copy = !device->why_generic().empty()});
    if (!socket) return std::unexpected(socket.error());
    auto rx = std::make_unique<XdpRxQueue>(**socket);
    if (auto given = device->program_.redirect(queue, rx->fd()); !given) {
      return std::unexpected(given.error());
    }
    device->sources_[queue % options.queues].push_back(rx.get());
    device->rx_queues_.push_back(std::move(rx));
    device->sockets_.push_back(std::move(*socket));
  }
  return device;
}

std::vector<PlaneCount> XdpDevice::counts() const {
  std::vector<PlaneCount> counts;
  const auto add = [&](std::string_view name, auto&& counter_of) {
    std::uint64_t sum = 0;
    for (const PortCounters& port : counters_) sum += counter_of(port.of_port).get();
    counts.push_back({name, sum});
  };
  add("packets_in", [](const XdpCounters& of) -> auto& { return of.received; });
  for (std::size_t i = 0; i < kFrameDrops; ++i) {
    add(counter_name(static_cast<FrameDrop>(i)),
        [i](const XdpCounters& of) -> auto& { return of.dropped[i]; });
  }
  add("packets_out", [](const XdpCounters& of) -> auto& { return of.tx.sent; });
  add("tx_failed", [](const XdpCounters& of) -> auto& { return of.tx.failed; });
  add("tx_full", [](const XdpCounters& of) -> auto& { return of.no_room; });
  add("unsendable", [](const XdpCounters& of) -> auto& { return of.unsendable; });
  add("not_kept", [](const XdpCounters& of) -> auto& { return of.not_kept; });
  std::uint64_t rx_ring_full = 0;
  std::uint64_t no_frame = 0;
  for (const auto& socket : sockets_) {
    xdp_statistics lost{};
    socklen_t bytes = sizeof lost;
    if (::getsockopt(socket->fd(), SOL_XDP, XDP_STATISTICS, &lost, &bytes) != 0) continue;
    rx_ring_full += lost.rx_ring_full;
    no_frame += lost.rx_fill_ring_empty_descs;
  }
  counts.push_back({"kernel_rx_ring_full", rx_ring_full});
  counts.push_back({"kernel_rx_no_frame", no_frame});
  return counts;
}

}  // namespace minos
