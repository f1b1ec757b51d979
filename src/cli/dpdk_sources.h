#pragma once

#include <cstdint>
#include <memory>

#include "load/datagram_loop.h"
#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/virtual_device.h"

namespace minos {

struct DpdkSources {
  std::shared_ptr<Eal> eal{};  // held as long as a channel is there; null: it outlives them
  std::shared_ptr<VirtualDevice> device{};  // the same; null: it is EAL's
  std::uint16_t queues = 1;                 // as the channel's
  std::uint16_t source_ports = 1;
  std::uint32_t window_bytes = 0;  // as DatagramChannel::window_bytes()
};

// A client's device as one DatagramChannel for each of its source ports. They share the memory of
// what is received, as OpenChannels allows. Used by one thread at a time.
DatagramChannels share_among_sources(std::unique_ptr<DpdkChannel> channel,
                                     const DpdkSources& options);

}  // namespace minos
