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
const std::string kServerAddress = "10.0.0.1";  // what minosd has if nothing is said
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

std::expected<std::shared_ptr<Eal>, std::string> start_eal(const std::string& arguments) {
  // DPDK writes to a virtio socket even when the server has left: that ends no load.
  ::signal(SIGPIPE, SIG_IGN);
  return Eal::start(split_arguments(arguments));
}

std::expected<DatagramChannels, std::string> open_device(const std::shared_ptr<Eal>& eal,
                                                         const DpdkTarget& target,
                                                         DpdkChannel::Options options,
                                                         std::uint32_t count) {
  std::shared_ptr<VirtualDevice> device;
  if (!target.vhost.empty()) {
    const auto text = virtio_user_device(target.vhost, options.queues, options.address);
    if (!text) return std::unexpected(text.error());
    auto plugged = VirtualDevice::plug_in(*text);
    if (!plugged) return std::unexpected(plugged.error());
    device = std::move(*plugged);
    options.name = device->name();
  }
  options.source_ports = static_cast<std::uint16_t>(count);
  auto channel = DpdkChannel::create(options);
  if (!channel) return std::unexpected(channel.error());
  const std::uint32_t window_bytes = target.vhost.empty() ? kWindowBytes / count : 0;
  return share_among_sources(std::move(*channel), {.eal = eal,
                                                   .device = std::move(device),
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
  return [target, options](std::uint32_t /*thread*/,
                           std::uint32_t count) -> std::expected<DatagramChannels, std::string> {
    const auto eal = start_eal(target.arguments);
    if (!eal) return std::unexpected(eal.error());
    return open_device(*eal, target, options, count);
  };
}

std::expected<ConnectVhost, std::string> start_dpdk() {
  const auto eal = start_eal("");
  if (!eal) return std::unexpected(eal.error());
  return [eal = *eal](const std::string& vhost, std::uint16_t port, std::uint16_t queues) {
    const DpdkTarget target = {.vhost = vhost, .arguments = {}, .queues = queues};
    const DpdkChannel::Options options{.address = *parse_ipv4(target.address),
                                       .source_port = kSourcePort,
                                       .server_address = *parse_ipv4(kServerAddress),
                                       .base_port = port,
                                       .queues = queues};
    return [eal, target, options](std::uint32_t /*thread*/, std::uint32_t count) {
      return open_device(eal, target, options, count);
    };
  };
}

}  // namespace minos
