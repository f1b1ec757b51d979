#include "calibration/measure.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "calibration/core_counts.h"
#include "calibration/load_process.h"
#include "calibration/loads.h"
#include "client/minos_client.h"
#include "load/server_process.h"

namespace minos {

namespace {

using Clock = std::chrono::steady_clock;

constexpr int kSlices = 7;
constexpr Nanos kSettle = millis(200);
constexpr Nanos kLookEvery = millis(20);
constexpr Nanos kStartTimeout = millis(30'000);
// A thread that has done less than this part of the time says little of what anything costs.
constexpr double kBusyMin = 0.03;
// The load is ended when it has been measured; this is if nobody does.
constexpr double kLoadSecondsMax = 60;

template <typename T>
using Result = std::expected<T, std::string>;

class Measurement {
 public:
  Measurement(const MeasureOptions& options, const MeasureHooks& hooks)
      : options_(options), hooks_(hooks), suites_(calibration_suites(options.on)) {}

  Result<std::vector<CostSample>> run() {
    auto folder = TemporaryFolder::create();
    if (!folder) return std::unexpected(folder.error());
    for (const CalibrationSuite& suite : suites_) total_ += suite.loads.size();
    for (const CalibrationSuite& suite : suites_) {
      vhost_ = fmt::format("{}/{}.sock", folder->path(), done_);
      if (auto played = play(suite); !played) return std::unexpected(played.error());
    }
    tell();
    return std::move(samples_);
  }

 private:
  void tell() {
    if (hooks_.progress) hooks_.progress(done_, total_);
  }

  std::string protocol() const { return std::string(protocol_name(options_.on)); }

  Result<void> play(const CalibrationSuite& suite) {
    const auto ports = free_loopback_ports(static_cast<std::uint16_t>(1 + queues(suite)));
    if (!ports) return std::unexpected(ports.error());
    port_ = *ports;
    const auto server =
        ServerProcess::start({.program = options_.minosd,
                              .arguments = server_arguments(suite.server),
                              .cpus = {options_.server_cpus.begin(),
                                       options_.server_cpus.begin() + suite.server.threads}});
    if (!server) return std::unexpected(server.error());
    auto client = Client::open(fmt::format("tcp://127.0.0.1:{}", port_),
                               {.timeout = std::chrono::seconds(10)});
    if (!client) return std::unexpected(client.error().message);
    for (const CalibrationLoad& load : suite.loads) {
      tell();
      if (auto measured = measure(suite, load, *client); !measured) {
        return std::unexpected(fmt::format("{}: {}", load.name, measured.error()));
      }
      ++done_;
    }
    return {};
  }

  static int queues(const CalibrationSuite& suite) {
    return std::max(suite.server.threads, suite.server.rx_queues);
  }

  std::vector<std::string> server_arguments(const CalibrationServer& server) const {
    std::vector<std::string> out = {
        fmt::format("--port={}", port_), fmt::format("--threads={}", server.threads),
        fmt::format("--sharding={}", name_of(server.policy)), "--memory-limit=1g"};
    // Its process is held to these CPUs; a list of them says which thread has which.
    const std::vector<std::uint32_t>& cpus = options_.server_cpus;
    if (server.threads == 2 && cpus[0] != cpus[1]) {
      out.push_back(fmt::format("--cores={},{}", cpus[0], cpus[1]));
    }
    if (!is_datagrams(options_.on)) return out;
    out.push_back("--transport=tcp," + protocol());
    out.push_back(fmt::format("--rx-queues={}", server.rx_queues));
    out.push_back(fmt::format("--datagram-port={}", port_ + 1));
    if (options_.on == ProtocolKind::kDpdk) out.push_back("--dpdk-vhost=" + vhost_);
    return out;
  }

  std::vector<std::string> load_arguments(const CalibrationSuite& suite,
                                          const CalibrationLoad& load) const {
    std::vector<std::string> out = {"load",
                                    "--quiet",
                                    "--protocol=" + protocol(),
                                    fmt::format("--cpus={}", options_.client_cpu),
                                    "--warmup=0",
                                    fmt::format("--duration={}", kLoadSecondsMax)};
    if (options_.on == ProtocolKind::kDpdk) {
      out.push_back("--dpdk-vhost=" + vhost_);
      out.push_back(fmt::format("--queues={}", queues(suite)));
      out.push_back(fmt::format("--server=10.0.0.1:{}", port_ + 1));
    } else {
      const int port = options_.on == ProtocolKind::kUdp ? port_ + 1 : port_;
      out.push_back(fmt::format("--server=127.0.0.1:{}", port));
    }
    out.insert(out.end(), load.arguments.begin(), load.arguments.end());
    return out;
  }

  Result<void> measure(const CalibrationSuite& suite, const CalibrationLoad& load, Client& client) {
    std::unique_ptr<LoadProcess> process;
    if (!load.arguments.empty()) {
      const auto before = requests_of(load, client);
      if (!before) return std::unexpected(before.error());
      auto started = LoadProcess::start(options_.minos, load_arguments(suite, load));
      if (!started) return std::unexpected(started.error());
      process = std::move(*started);
      if (auto flows = wait_until_it_flows(load, *before, *process, client); !flows) return flows;
    }
    std::this_thread::sleep_for(kSettle);
    auto before = look(client);
    if (!before) return std::unexpected(before.error());
    auto since = Clock::now();
    for (int slice = 0; slice < kSlices; ++slice) {
      std::this_thread::sleep_for(std::chrono::duration<double>(options_.seconds / kSlices));
      auto after = look(client);
      if (!after) return std::unexpected(after.error());
      if (process && !process->how_it_ended().empty()) {
        return std::unexpected(process->how_it_ended());
      }
      if (interrupted()) return std::unexpected("interrupted");
      const auto now = Clock::now();
      add_samples(*before, *after, load, std::chrono::duration<double, std::nano>(now - since));
      before = std::move(after);
      since = now;
    }
    return {};
  }

  void add_samples(const std::vector<CoreCounts>& before, const std::vector<CoreCounts>& after,
                   const CalibrationLoad& load, std::chrono::duration<double, std::nano> wall) {
    for (std::uint32_t core = 0; core < after.size() && core < before.size(); ++core) {
      CostSample sample = sample_between(before[core], after[core], options_.on, load, core);
      if (sample.cpu_ns > kBusyMin * wall.count()) samples_.push_back(std::move(sample));
    }
  }

  // The preload is of the other kind.
  static Result<double> requests_of(const CalibrationLoad& load, Client& client) {
    const auto stats = client.stats();
    if (!stats) return std::unexpected(stats.error().message);
    for (const auto& [name, value] : *stats) {
      if (name == (load.set ? "cmd_set" : "cmd_get")) return std::stod(value);
    }
    return std::unexpected("the server counts no requests");
  }

  Result<void> wait_until_it_flows(const CalibrationLoad& load, double before, LoadProcess& process,
                                   Client& client) const {
    const auto give_up = Clock::now() + kStartTimeout;
    while (true) {
      const auto requests = requests_of(load, client);
      if (!requests) return std::unexpected(requests.error());
      if (*requests > before) return {};
      if (std::string ended = process.how_it_ended(); !ended.empty()) {
        return std::unexpected(std::move(ended));
      }
      if (interrupted()) return std::unexpected("interrupted");
      if (Clock::now() > give_up) return std::unexpected("no request came");
      std::this_thread::sleep_for(kLookEvery);
    }
  }

  static Result<std::vector<CoreCounts>> look(Client& client) {
    const auto stats = client.stats("minos");
    if (!stats) return std::unexpected(stats.error().message);
    return core_counts(*stats);
  }

  bool interrupted() const { return hooks_.interrupted != nullptr && *hooks_.interrupted; }

  const MeasureOptions& options_;
  const MeasureHooks& hooks_;
  const std::vector<CalibrationSuite> suites_;
  std::vector<CostSample> samples_;
  std::size_t done_ = 0;
  std::size_t total_ = 0;
  std::uint16_t port_ = 0;  // TCP; the datagram ports follow
  std::string vhost_;
};

}  // namespace

std::expected<std::vector<CostSample>, std::string> measure_costs(const MeasureOptions& options,
                                                                  const MeasureHooks& hooks) {
  return Measurement(options, hooks).run();
}

}  // namespace minos
