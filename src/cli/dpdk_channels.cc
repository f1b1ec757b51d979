#include "cli/dpdk_channels.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <signal.h>

#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "cli/dpdk_sources.h"
#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"

namespace minos {
namespace {

constexpr std::uint16_t kSourcePort = 40'000;
constexpr std::int64_t kQueuesMax = 128;

// Of values on their way to all source ports, where a full ring loses what comes. A virtio server
// holds back what finds no room.
constexpr std::uint32_t kWindowBytes = 1 << 20;

std::optional<Ipv4Address> parse_ipv4(const std::string& text) {
  in_addr parsed;
  if (::inet_pton(AF_INET, text.c_str(), &parsed) != 1) return {};
  Ipv4Address out;
  std::memcpy(out.data(), &parsed.s_addr, out.size());
  return out;
}

std::expected<DatagramChannels, std::string> open_device(const DpdkTarget& target,
                                                         DpdkChannel::Options options,
                                                         std::uint32_t count) {
  std::vector<std::string> arguments = split_arguments(target.arguments);
  if (!target.vhost.empty()) {
    auto device = virtio_user_device(target.vhost, options.queues, options.address);
    if (!device) return std::unexpected(device.error());
    arguments.insert(arguments.end(), {"--vdev", std::move(*device)});
  }
  // DPDK writes to a virtio socket even when the server has left: that ends no load.
  ::signal(SIGPIPE, SIG_IGN);
  auto eal = Eal::start(arguments);
  if (!eal) return std::unexpected(eal.error());
  options.source_ports = static_cast<std::uint16_t>(count);
  auto channel = DpdkChannel::create(options);
  if (!channel) return std::unexpected(channel.error());
  const std::uint32_t window_bytes = target.vhost.empty() ? kWindowBytes / count : 0;
  return share_among_sources(std::move(*channel), {.eal = std::move(*eal),
                                                   .queues = options.queues,
                                                   .source_ports = options.source_ports,
                                                   .window_bytes = window_bytes});
}

}  // namespace

std::expected<OpenChannels, std::string> dpdk_channels(const DpdkTarget& target,
                                                       const Address& server) {
  const auto address = parse_ipv4(target.address);
  if (!address) {
    return std::unexpected(fmt::format("--dpdk-address={} is no IPv4 address", target.address));
  }
  const auto server_address = parse_ipv4(server.host);
  if (!server_address) {
    return std::unexpected(
        fmt::format("--server={} is no IPv4 address, as over DPDK it must be", server.host));
  }
  if (target.queues < 1 || target.queues > kQueuesMax) {
    return std::unexpected(
        fmt::format("--queues={} is out of range: 1 to {} is allowed", target.queues, kQueuesMax));
  }
  if (target.vhost.empty() && target.arguments.empty()) {
    return std::unexpected(
        "--protocol=dpdk needs --dpdk-vhost=PATH, the server's, or a device in --dpdk-args");
  }
  const DpdkChannel::Options options{.address = *address,
                                     .source_port = kSourcePort,
                                     .server_address = *server_address,
                                     .base_port = server.port,
                                     .queues = static_cast<std::uint16_t>(target.queues)};
  return [target, options](std::uint32_t /*thread*/, std::uint32_t count) {
    return open_device(target, options, count);
  };
}

}  // namespace minos
