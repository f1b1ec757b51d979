#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "transport/frame/frame.h"

namespace minos {

// What an AF_XDP plane has to know of a network interface.
struct NetInterface {
  int index = 0;
  MacAddress mac{};
  Ipv4Address address{};
  std::uint32_t rx_queues = 0;
  std::uint32_t tx_queues = 0;
};

// Of an Ethernet interface that is up and takes packets of kMtuBytes. `address` must be one of its
// own, as the kernel goes on answering ARP; without, it is the first. Errors: sentences without the
// interface's name.
std::expected<NetInterface, std::string> find_interface(const std::string& name,
                                                        const std::optional<Ipv4Address>& address);

}  // namespace minos
