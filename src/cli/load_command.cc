#include "cli/load_command.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <map>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "cli/dpdk_channels.h"
#include "cli/exit_codes.h"
#include "cli/progress.h"
#include "cli/report_output.h"
#include "client/address.h"
#include "load/generator.h"
#include "load/options.h"
#include "load/report.h"

namespace minos {
namespace {

// Each protocol with the server that it is usually found at.
struct Usual {
  ProtocolKind kind;
  const char* host;
  std::uint16_t port;
};
constexpr Usual kUsual[] = {{ProtocolKind::kMemcached, "127.0.0.1", 11211},
                            {ProtocolKind::kRedis, "127.0.0.1", 6379},
                            {ProtocolKind::kUdp, "127.0.0.1", 11300},
                            {ProtocolKind::kDpdk, "10.0.0.1", 11300}};

struct Arguments {
  LoadOptions load;
  DpdkTarget dpdk;
  OpenChannels open_channels;
  std::string server;
  std::string protocol = "memcached";
  std::string spread;
  bool no_preload = false;
  bool preload = false;
  bool json = false;
  std::string json_file;
  bool quiet = false;
};

std::atomic<bool> interrupted = false;

void on_interrupt(int) {
  interrupted.store(true, std::memory_order_relaxed);
}

// Fills in what is not a plain number; returns an error or nothing.
std::string finish(Arguments& arguments) {
  LoadOptions& load = arguments.load;
  if (arguments.preload && arguments.no_preload) {
    return "--preload and --no-preload exclude each other";
  }
  load.preload = !arguments.no_preload;
  for (const Usual& usual : kUsual) {
    if (protocol_name(usual.kind) != arguments.protocol) continue;
    load.protocol = usual.kind;
    load.server = {.host = usual.host, .port = usual.port};
  }
  if (!arguments.server.empty()) {
    const auto address = parse_address(arguments.server, load.server.port);
    if (!address) return "--server: " + address.error();
    load.server = *address;
  }
  if (!arguments.spread.empty()) {
    static const std::map<std::string, Spread> kSpreads = {
        {"round-robin", Spread::kRoundRobin}, {"random", Spread::kRandom}, {"idle", Spread::kIdle}};
    load.spread = kSpreads.at(arguments.spread);
  }
  if (const auto checked = check_options(load); !checked) return checked.error();
  if (load.protocol != ProtocolKind::kDpdk) {
    if (!arguments.dpdk.vhost.empty()) return "--dpdk-vhost needs --protocol=dpdk";
    if (!arguments.dpdk.arguments.empty()) return "--dpdk-args needs --protocol=dpdk";
    return {};
  }
  auto channels = dpdk_channels(arguments.dpdk, load.server);
  if (!channels) return channels.error();
  arguments.open_channels = std::move(*channels);
  return {};
}

int print_report(const Arguments& arguments, const LoadReport& report, ReportOutput& output) {
  output.write([&] { return load_report_json(arguments.load, report).dump(2); },
               [&] { return load_report_text(arguments.load, report); });
  if (!report.first_refusal.empty() && !report.error.contains(report.first_refusal)) {
    fmt::print(stderr, "minos load: the first error reply was: {}\n", report.first_refusal);
  }
  if (!report.error.empty()) {
    fmt::print(stderr, "minos load: {}\n", report.error);
    return kExitFailed;
  }
  std::uint64_t wrong = 0;
  for (const auto size_class : {LoadClass::kTiny, LoadClass::kSmall, LoadClass::kLarge}) {
    if (report.recorder) wrong += report.recorder->of(size_class).wrong;
  }
  if (wrong == 0) return kExitFine;
  fmt::print(stderr,
             "minos load: {} values were not the expected ones; were they preloaded with another "
             "--seed, --keys, --large-max or --value-bytes?\n",
             wrong);
  return kExitFailed;
}

int run(Arguments& arguments) {
  if (const std::string error = finish(arguments); !error.empty())
    return usage_error("minos load", error);
  ReportOutput output;
  if (!output.open("minos load", arguments.json, arguments.json_file)) return kExitUsage;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  LoadReport report;
  {
    ProgressPrinter printer;
    LoadHooks hooks{
        .progress = {}, .interrupted = &interrupted, .open_channels = arguments.open_channels};
    if (!arguments.quiet) {
      hooks.progress = [&](const LoadProgress& progress) { printer.show(progress); };
    }
    report = run_load(arguments.load, hooks);
  }
  return print_report(arguments, report, output);
}

void add_target_options(CLI::App& command, Arguments& arguments) {
  LoadOptions& load = arguments.load;
  command.add_option("--server", arguments.server,
                     "HOST:PORT to load [127.0.0.1:11211, for redis 127.0.0.1:6379, for udp "
                     "127.0.0.1:11300, for dpdk 10.0.0.1:11300]");
  command
      .add_option("--protocol", arguments.protocol,
                  "memcached (text) or redis (RESP2) over TCP; Minos datagrams over the kernel's "
                  "udp or over dpdk")
      ->check(CLI::IsMember({"memcached", "redis", "udp", "dpdk"}))
      ->capture_default_str();
  command.add_flag("--single-port", load.single_port,
                   "Over udp: all queues are on one port, as minosd --datagram-single-port has it");
  command.add_option("--connections", load.connections,
                     "TCP connections, of all threads together [50]; for datagrams source ports "
                     "[one for each thread]");
  command.add_option("--threads", load.threads, "Threads that make the load")
      ->capture_default_str();
  command.add_option("--cpus", load.cpus, "CPUs to run on, such as 1,3: one thread each, in turn")
      ->delimiter(',');
  command
      .add_option("--timeout", load.timeout_s,
                  "Seconds that the server may be silent while a reply is due")
      ->capture_default_str();
}

void add_dpdk_options(CLI::App& command, Arguments& arguments) {
  DpdkTarget& dpdk = arguments.dpdk;
  command.add_option("--dpdk-vhost", dpdk.vhost,
                     "Path of the socket that a minosd on this machine has its virtio device at");
  command.add_option("--dpdk-args", dpdk.arguments,
                     "Arguments of DPDK itself, such as \"-a 0000:3b:00.0\" for a device");
  command.add_option("--dpdk-address", dpdk.address, "IPv4 address of this client, over DPDK")
      ->capture_default_str();
  command
      .add_option("--queues", dpdk.queues,
                  "Over DPDK: queues of the server's device, the larger of minosd's --threads and "
                  "--rx-queues")
      ->capture_default_str();
}

void add_pace_options(CLI::App& command, Arguments& arguments) {
  LoadOptions& load = arguments.load;
  command.add_option("--rate", load.rate,
                     "Open loop: requests/s at random (Poisson) times, whether or not the server "
                     "keeps up; latency counts from the time a request was due");
  command.add_flag("--closed", load.closed,
                   "Closed loop: every connection sends the next request when it gets a reply");
  command.add_option("--depth", load.depth, "Closed loop: requests outstanding per connection [1]");
  command
      .add_option("--spread", arguments.spread,
                  "Open loop: the connection that takes a request: round-robin, random, or idle "
                  "(one with nothing outstanding, as a pool has it) [round-robin]")
      ->check(CLI::IsMember({"round-robin", "random", "idle"}));
  command.add_option("--duration", load.duration_s, "Seconds to measure [10]");
  command.add_option("--warmup", load.warmup_s, "Seconds of load before measuring [1]");
  command.add_flag("--sleep", load.sleep,
                   "Sleep while nothing is due instead of polling; requests leave some 50 us late");
}

void add_data_options(CLI::App& command, Arguments& arguments) {
  LoadOptions& load = arguments.load;
  command.add_option("--keys", load.keys, "Keys with tiny (1-13 bytes) and small (14-1400) values")
      ->capture_default_str();
  command.add_option("--large-keys", load.large_keys, "Keys with large values (1500 bytes and up)")
      ->capture_default_str();
  command
      .add_option("--first-key", load.first_key,
                  "Number of the first key: ranges apart do not disturb each other")
      ->capture_default_str();
  command.add_option("--large-max", load.large_max, "Bytes of the largest large value")
      ->capture_default_str();
  command.add_option("--value-bytes", load.value_bytes,
                     "Bytes of every tiny and small value [40 % of keys tiny, 60 % small]");
  command.add_option("--large-percent", load.large_percent, "Percent of requests for large keys")
      ->capture_default_str();
  command.add_option("--get-ratio", load.get_ratio, "Share of GETs, 0 to 1; the rest are SETs")
      ->capture_default_str();
  command
      .add_option("--zipf", load.zipf,
                  "Skew of the popularity of keys that are not large; 0 is uniform")
      ->capture_default_str();
  command
      .add_option("--seed", load.seed,
                  "Of all random choices; sizes, contents and which keys are popular follow it")
      ->capture_default_str();
  command.add_flag("--preload", arguments.preload,
                   "Store every key before measuring; large ones only if requests want them [on]");
  command.add_flag("--no-preload", arguments.no_preload, "The data is there already");
  command.add_flag("--preload-only", load.preload_only, "Store every key and measure nothing");
  command.add_flag("--verify", load.verify,
                   "Compare the content of values too, not only their size");
}

void add_output_options(CLI::App& command, Arguments& arguments) {
  command
      .add_option("--slice-ms", arguments.load.slice_ms,
                  "Milliseconds of a slice; the p50 and p99 of slices are reported as medians")
      ->capture_default_str();
  command
      .add_option("--json", arguments.json_file,
                  "Report as JSON: alone instead of the table, or into a FILE")
      ->expected(0, 1)
      ->type_name("[FILE]");
  command.add_flag("--kernel-times", arguments.load.kernel_times,
                   "Measure also from handing a request to the kernel until the kernel has its "
                   "reply: without what the client itself takes");
  command.add_flag("--quiet", arguments.quiet, "No progress on standard error");
}

}  // namespace

void add_load_command(CLI::App& app, int& exit_code) {
  static Arguments arguments;  // the callback outlives this function
  CLI::App& command = *app.add_subcommand(
      "load", "Load a minosd, memcached or redis server and measure it; docs/load.md tells more.");
  add_target_options(command, arguments);
  add_dpdk_options(command, arguments);
  add_pace_options(command, arguments);
  add_data_options(command, arguments);
  add_output_options(command, arguments);
  CLI::Option* const json = command.get_option("--json");
  command.callback([json, &exit_code] {
    arguments.json = json->count() > 0;
    exit_code = run(arguments);
  });
}

}  // namespace minos
