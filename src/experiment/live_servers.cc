#include "experiment/live_servers.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <map>

#include "client/minos_client.h"
#include "load/generator.h"

namespace minos {
namespace {

constexpr double kSliceRequestsMin = 200;
constexpr double kWarmupSeconds = 0.1;
constexpr double kTimeoutSeconds = 2;
// As many as a closed loop needs to keep a server busy.
constexpr std::int64_t kDatagramDepth = 64;
constexpr double kNotKnown = std::numeric_limits<double>::quiet_NaN();

// What a server holds beside items, and how much more than their bytes an item may take.
constexpr std::uint64_t kServerMib = 128;
constexpr double kMemoryPerByte = 1.6;
// Of a tiny or small value, 40 % and 60 % of them, with its key and all that is kept with it.
constexpr double kItemBytes = 500;

std::uint64_t memory_mib_for(const LiveServerOptions& options, const Workload& workload) {
  const double large_mean = (1500.0 + static_cast<double>(workload.large_bytes_max)) / 2;
  const double bytes = kItemBytes * options.keys + large_mean * options.large_keys;
  return kServerMib + static_cast<std::uint64_t>(kMemoryPerByte * bytes) / kMiB;
}

std::optional<std::uint64_t> available_mib() {
  std::ifstream file("/proc/meminfo");
  std::string name;
  while (file >> name) {
    std::uint64_t kib = 0;
    if (name == "MemAvailable:" && file >> kib) return kib / 1024;
  }
  return {};
}

double micros_from(double ns) {
  return ns / 1000;
}

ClassFigures raw_figures(const ClassStats& stats) {
  const auto quantile_us = [&](double share) {
    return micros_from(static_cast<double>(stats.quantile(share).count()));
  };
  return {.count = stats.latency_ns.count(),
          .mean_us = kNotKnown,
          .p50_us = quantile_us(0.5),
          .p99_us = quantile_us(0.99),
          .p999_us = quantile_us(0.999),
          .mean_slowdown = kNotKnown,
          .raw_p50_us = quantile_us(0.5),
          .raw_p99_us = quantile_us(0.99)};
}

ClassFigures sliced_figures(const ClassStats& stats, const SliceRecorder& slices) {
  ClassFigures figures = raw_figures(stats);
  const SliceRecorder::Summary summary = slices.summary();
  figures.p50_us = micros_from(summary.p50_ns);
  figures.p99_us = micros_from(summary.p99_ns);
  return figures;
}

PointResult point_from(const LoadReport& report, double offered_per_s) {
  const Recorder& recorder = *report.recorder;
  ClassStats small = recorder.of(LoadClass::kTiny);
  small.merge(recorder.of(LoadClass::kSmall));
  const ClassStats& large = recorder.of(LoadClass::kLarge);
  ClassStats all = small;
  all.merge(large);
  const double window_s = static_cast<double>(report.window.count()) / 1e9;
  PointResult point;
  point.throughput_mops = static_cast<double>(all.received) / window_s / 1e6;
  point.offered_mops = offered_per_s > 0 ? offered_per_s / 1e6 : point.throughput_mops;
  point.all = sliced_figures(all, recorder.all_slices());
  point.small = sliced_figures(small, recorder.slices());
  // A slice has too few of them.
  point.large = raw_figures(large);
  point.failed = all.refused + all.misses + all.wrong + report.unanswered + report.unissued;
  return point;
}

using Stats = std::map<std::string, std::string>;

std::expected<Stats, std::string> read_stats(std::uint16_t port) {
  auto client =
      Client::open(fmt::format("tcp://127.0.0.1:{}", port), {.timeout = std::chrono::seconds(5)});
  if (!client) return std::unexpected("its statistics: " + client.error().message);
  auto stats = client->stats("minos");
  if (!stats) return std::unexpected("its statistics: " + stats.error().message);
  return Stats(stats->begin(), stats->end());
}

std::uint64_t number_in(const Stats& stats, const std::string& name) {
  const auto found = stats.find(name);
  return found == stats.end() ? 0 : std::strtoull(found->second.c_str(), nullptr, 10);
}

// What cores did between two looks, and the plan at the second.
void add_server_side(PointResult& point, const Stats& before, const Stats& after) {
  point.threshold_bytes = number_in(after, "threshold_bytes");
  for (int core = 0; after.contains(fmt::format("core:{}:role", core)); ++core) {
    const auto grown = [&](const char* what) {
      const std::string name = fmt::format("core:{}:{}", core, what);
      return number_in(after, name) - number_in(before, name);
    };
    if (after.contains(fmt::format("core:{}:large_min_bytes", core))) ++point.large_cores;
    point.cores.push_back(
        {.utilisation = kNotKnown, .requests = grown("requests"), .packets = grown("datagrams")});
  }
}

}  // namespace

std::int64_t slice_ms_of(LiveTransport transport, double rate_per_s) {
  const auto for_requests =
      static_cast<std::int64_t>(std::ceil(kSliceRequestsMin * 1000 / rate_per_s));
  switch (transport) {
    case LiveTransport::kDpdk:
      return std::max<std::int64_t>(1, for_requests);
    case LiveTransport::kUdp:
      return std::max<std::int64_t>(10, for_requests);
    case LiveTransport::kTcp:
      break;
  }
  return std::max<std::int64_t>(50, for_requests);
}

bool LocalServers::interrupted() const {
  return options_.interrupted != nullptr && options_.interrupted->load(std::memory_order_relaxed);
}

std::expected<void, SideBySideError> LocalServers::start(const Workload& workload,
                                                         std::span<const PolicyKind> policies) {
  servers_.clear();
  workload_ = workload;
  const std::uint64_t each_mib = memory_mib_for(options_, workload);
  if (const auto free_mib = available_mib(); free_mib && *free_mib < each_mib * policies.size()) {
    return std::unexpected(SideBySideError{
        policies.front(),
        fmt::format("{} servers of {} MiB each do not fit the {} MiB that are free: fewer --keys, "
                    "--large-keys or --policies",
                    policies.size(), each_mib, *free_mib)});
  }
  for (const PolicyKind policy : policies) {
    auto server = start_one(policy, each_mib);
    if (!server) return std::unexpected(SideBySideError{policy, server.error()});
    servers_.push_back(std::move(*server));
    const auto filled = preload(servers_.back());
    if (!filled) {
      return std::unexpected(SideBySideError{policy, interrupted() ? "" : filled.error()});
    }
  }
  return {};
}

std::expected<LocalServers::Server, std::string> LocalServers::start_one(PolicyKind policy,
                                                                         std::uint64_t memory_mib) {
  if (!folder_) {
    auto folder = TemporaryFolder::create();
    if (!folder) return std::unexpected(folder.error());
    folder_.emplace(std::move(*folder));
  }
  const std::size_t workers = options_.server_cpus.size();
  const auto port = free_loopback_ports(static_cast<std::uint16_t>(workers));
  if (!port) return std::unexpected(port.error());
  Server server{.policy = policy, .process = {}, .port = *port, .vhost = {}};
  // Statistics come over TCP whatever is measured.
  const std::string transports = options_.transport == LiveTransport::kTcp
                                     ? "tcp"
                                     : fmt::format("{},tcp", name_of(options_.transport));
  std::vector<std::string> arguments = {
      "--listen=127.0.0.1",
      fmt::format("--port={}", *port),
      "--transport=" + transports,
      fmt::format("--threads={}", workers),
      fmt::format("--cores={}", fmt::join(options_.server_cpus, ",")),
      fmt::format("--sharding={}", name_of(policy)),
      fmt::format("--memory-limit={}", memory_mib),
      "--epoch-ms=100"};
  if (options_.transport != LiveTransport::kTcp) {
    arguments.push_back(fmt::format("--datagram-port={}", *port));
  }
  if (options_.transport == LiveTransport::kDpdk) {
    server.vhost = fmt::format("{}/{}.sock", folder_->path(), name_of(policy));
    arguments.push_back("--dpdk-vhost=" + server.vhost);
  }
  auto process = ServerProcess::start({.program = options_.minosd,
                                       .arguments = std::move(arguments),
                                       .cpus = options_.server_cpus});
  if (!process) return std::unexpected(process.error());
  server.process = std::move(*process);
  return server;
}

LoadOptions LocalServers::load_options(const Server& server) const {
  LoadOptions load;
  load.server = {.host = "127.0.0.1", .port = server.port};
  load.protocol = ProtocolKind::kMemcached;
  if (options_.transport == LiveTransport::kUdp) load.protocol = ProtocolKind::kUdp;
  if (options_.transport == LiveTransport::kDpdk) load.protocol = ProtocolKind::kDpdk;
  load.cpus = {options_.client_cpu};
  load.keys = options_.keys;
  load.large_keys = options_.large_keys;
  load.large_percent = workload_.large_percent;
  load.large_max = static_cast<std::int64_t>(workload_.large_bytes_max);
  load.get_ratio = workload_.get_share;
  load.preload = false;
  load.timeout_s = kTimeoutSeconds;
  load.seed = static_cast<std::int64_t>(options_.seed);
  return load;
}

// Empty where the load generator's own will do.
OpenChannels LocalServers::channels_to(const Server& server) const {
  if (server.vhost.empty()) return {};
  return options_.connect_vhost(server.vhost, server.port,
                                static_cast<std::uint16_t>(options_.server_cpus.size()));
}

std::expected<void, std::string> LocalServers::preload(Server& server) const {
  LoadOptions load = load_options(server);
  load.preload = true;
  load.preload_only = true;
  load.timeout_s = 10 * kTimeoutSeconds;
  const LoadReport report = run_load(
      load,
      {.progress = {}, .interrupted = options_.interrupted, .open_channels = channels_to(server)});
  if (std::string ended = server.process->how_it_ended(); !ended.empty()) {
    return std::unexpected(std::move(ended));
  }
  server.process->suspend();
  if (!report.error.empty()) return std::unexpected("filling it: " + report.error);
  return {};
}

std::expected<PointResult, std::string> LocalServers::run(Server& server,
                                                          const LoadOptions& load) const {
  const auto before = read_stats(server.port);
  if (!before) return std::unexpected(before.error());
  const LoadReport report = run_load(
      load,
      {.progress = {}, .interrupted = options_.interrupted, .open_channels = channels_to(server)});
  // What was not answered in time is a result; a load that ended early is none.
  const bool cut = !report.recorder || report.window < load.duration();
  if (!report.error.empty() && (cut || report.unanswered == 0)) {
    return std::unexpected(report.error);
  }
  const auto after = read_stats(server.port);
  if (!after) return std::unexpected(after.error());
  PointResult point = point_from(report, load.rate.value_or(0));
  add_server_side(point, *before, *after);
  return point;
}

std::expected<PointResult, SideBySideError> LocalServers::load(PolicyKind policy,
                                                               const LiveLoad& load) {
  Server& server = *std::ranges::find(servers_, policy, &Server::policy);
  LoadOptions options = load_options(server);
  options.duration_s = load.seconds;
  options.warmup_s = kWarmupSeconds;
  options.rate = load.rate_per_s;
  options.closed = !load.rate_per_s;
  if (options.closed && is_datagrams(options.protocol)) options.depth = kDatagramDepth;
  options.slice_ms = std::min(slice_ms_of(options_.transport, load.rate_per_s.value_or(1e6)),
                              static_cast<std::int64_t>(load.seconds * 1000));
  if (const auto checked = check_options(options); !checked) {
    return std::unexpected(SideBySideError{policy, checked.error()});
  }
  server.process->resume();
  auto result = run(server, options);
  std::string ended = server.process->how_it_ended();
  server.process->suspend();
  if (interrupted()) return std::unexpected(SideBySideError{policy, ""});
  if (!ended.empty()) return std::unexpected(SideBySideError{policy, std::move(ended)});
  if (!result) return std::unexpected(SideBySideError{policy, result.error()});
  return *result;
}

}  // namespace minos
