#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "client/address.h"
#include "experiment/live_servers.h"
#include "load/datagram_loop.h"

namespace minos {

// How a client reaches a server over DPDK.
struct DpdkTarget {
  std::string vhost;                 // the server's virtio socket; empty: `arguments` name a device
  std::string arguments;             // of DPDK itself, separated by spaces
  std::string address = "10.0.0.2";  // of this client
  std::int64_t queues = 1;           // of the server's device
};

// Opens the device of this process, once, for all source ports of one thread. `server` has an IPv4
// address. Errors: sentences that name the option; a build without DPDK says so.
std::expected<OpenChannels, std::string> dpdk_channels(const DpdkTarget& target,
                                                       const Address& server);

// Starts DPDK in this process, once and for good; then the process may connect to one minosd after
// another.
std::expected<ConnectVhost, std::string> start_dpdk();

}  // namespace minos
