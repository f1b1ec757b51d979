#include "cli/experiment_live.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <string_view>
#include <utility>

#include "cli/dpdk_channels.h"
#include "cli/this_machine.h"

namespace minos {
namespace {

constexpr double kTurnSecondsMin = 0.1;  // what a load lasts at least
constexpr double kRounding = 1 - 1e-9;

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name")) continue;
    const std::size_t colon = line.find(':');
    if (colon != line.npos) return line.substr(std::min(colon + 2, line.size()));
  }
  return "unknown model";
}

LiveTransport transport_named(std::string_view name) {
  for (const auto transport : {LiveTransport::kUdp, LiveTransport::kDpdk}) {
    if (name_of(transport) == name) return transport;
  }
  return LiveTransport::kTcp;
}

// The first CPUs are the server's, the last one is the client's.
std::expected<void, std::string> share_cpus(std::uint32_t cores, LiveServerOptions& servers) {
  std::vector<std::uint32_t> cpus = usable_cpus();
  if (cpus.size() < 2) {
    return std::unexpected("server and load generator need a CPU each, and this process may use " +
                           std::to_string(cpus.size()));
  }
  if (cores >= cpus.size()) {
    return std::unexpected(
        fmt::format("--cores={}: this process may use {} CPUs, and the load generator needs one, "
                    "so 1 to {}",
                    cores, cpus.size(), cpus.size() - 1));
  }
  servers.client_cpu = cpus.back();
  cpus.resize(cores == 0 ? cpus.size() - 1 : cores);
  servers.server_cpus = std::move(cpus);
  return {};
}

}  // namespace

std::expected<LiveSetup, std::string> set_up_live(const LiveArguments& arguments,
                                                  const std::atomic<bool>* interrupted) {
  const double turn_seconds = arguments.seconds / arguments.repeats;
  if (turn_seconds < kTurnSecondsMin * kRounding) {
    return std::unexpected(
        fmt::format("--seconds={} in --repeats={} turns: a turn lasts {} s at least",
                    arguments.seconds, arguments.repeats, kTurnSecondsMin));
  }
  LiveSetup setup;
  LiveServerOptions& servers = setup.servers;
  servers.transport = transport_named(arguments.on);
  auto minosd = find_minosd(arguments.minosd);
  if (!minosd) return std::unexpected(minosd.error());
  servers.minosd = std::move(*minosd);
  if (auto shared = share_cpus(arguments.cores, servers); !shared) {
    return std::unexpected(shared.error());
  }
  servers.keys = arguments.keys;
  servers.large_keys = arguments.large_keys;
  servers.seed = arguments.seed;
  servers.interrupted = interrupted;
  if (servers.transport == LiveTransport::kDpdk) {
    auto connect = start_dpdk();
    if (!connect) return std::unexpected("--on=dpdk: " + connect.error());
    servers.connect_vhost = std::move(*connect);
  }
  setup.points = {.turn_seconds = std::max(turn_seconds, kTurnSecondsMin),
                  .turns = arguments.repeats,
                  .cores = static_cast<std::uint32_t>(servers.server_cpus.size())};
  setup.facts = {.transport = arguments.on,
                 .machine = fmt::format("{} CPUs ({})", usable_cpus().size(), cpu_model()),
                 .seconds = arguments.seconds,
                 .turns = arguments.repeats,
                 .slice_ms = slice_ms_of(servers.transport, 1e9),
                 .keys = arguments.keys,
                 .large_keys = arguments.large_keys};
  return setup;
}

}  // namespace minos
