#pragma once

#include <expected>
#include <string>
#include <vector>

#include "transport/frame/frame.h"

namespace minos {

// What DPDK's environment (EAL) is started with, and the facts about the machine that its defaults
// depend on.
struct EalOptions {
  // As for any DPDK program, such as {"--vdev", "net_vhost0,iface=/run/minos.sock,queues=4"} or
  // {"-a", "0000:3b:00.0"}. Options that decide about threads or processes are refused.
  std::vector<std::string> arguments;
  std::vector<unsigned> cpus;    // that this process may run on; at least one
  bool huge_pages_free = false;  // reserved and not in use
};

// The whole argument list, the program's name included. Added where nothing to the contrary is
// given: no PCI devices unless some are named, nothing shared through files, ordinary pages where
// no huge ones are free, no telemetry, errors only in the log. Errors name the argument.
std::expected<std::vector<std::string>, std::string> eal_arguments(const EalOptions& options);

// The words of a text that blanks separate, as EalOptions::arguments.
std::vector<std::string> split_arguments(const std::string& text);

// The `--vdev` for a virtio server at this path of a UNIX socket. Errors: the path cannot be told
// to DPDK.
std::expected<std::string, std::string> vhost_device(const std::string& path, unsigned queues);
// The same for the client, whose MAC address is made from its IPv4 address.
std::expected<std::string, std::string> virtio_user_device(const std::string& path, unsigned queues,
                                                           const Ipv4Address& address);

}  // namespace minos
