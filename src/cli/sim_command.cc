#include "cli/sim_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <thread>

#include <CLI/CLI.hpp>

#include "cli/exit_codes.h"
#include "cli/report_output.h"
#include "cli/sim_from.h"
#include "cli/sim_report.h"
#include "sim/cost_profile.h"
#include "sim/simulation.h"

namespace minos {
namespace {

// With --from at each of some dozens of points.
constexpr std::int64_t kRequestsUsual = 1'000'000;
constexpr std::int64_t kRequestsUsualFrom = 200'000;

// As the user gives them: numbers are wide and signed, so that what is wrong with one can be said.
struct SimArguments {
  SimOptions sim;
  std::string profile = "dpdk";
  std::string policy = "elastic";
  std::string sizes = "trimodal";
  std::optional<double> fixed_us;
  std::optional<double> packet_us;
  bool exponential = false;
  std::int64_t cores = 8;
  std::int64_t dispatchers = 1;
  std::optional<double> rate;
  std::optional<double> load;
  std::int64_t large_max = 500'000;
  std::int64_t large_factor = 100;
  std::int64_t keys = 100'000;
  std::int64_t large_keys = 100;
  std::optional<std::int64_t> requests;
  std::int64_t seed = 1;
  std::int64_t burst = 0;
  std::int64_t quantum_packets = 0;
  std::int64_t threshold_min = 0;
  std::int64_t rx_queue = 4096;
  std::int64_t tx_queue = 1024;
  double epoch_ms = 1000;
  double timeline_ms = 0;
  bool cold = false;
  bool json = false;
  bool quiet = false;
  std::string json_file;
  std::string from;
  double over_s = 10;
  std::int64_t jobs = std::max(std::int64_t{std::thread::hardware_concurrency()}, std::int64_t{1});

  std::int64_t requests_or_usual() const {
    return requests.value_or(from.empty() ? kRequestsUsual : kRequestsUsualFrom);
  }
};

std::atomic<bool> stop_asked = false;

void on_signal(int) {
  stop_asked.store(true, std::memory_order_relaxed);
}

struct Whole {
  const char* name;
  std::int64_t value;
  std::int64_t low;
  std::int64_t high;
};

// What does not fit into the type of its option, or has no meaning without another one.
std::string argument_error(const SimArguments& a) {
  constexpr std::int64_t kWordMax = UINT32_MAX;
  for (const Whole& whole :
       {Whole{"--cores", a.cores, 1, 128}, Whole{"--dispatchers", a.dispatchers, 1, 127},
        Whole{"--large-max", a.large_max, 1500, 16 << 20},
        Whole{"--large-factor", a.large_factor, 2, 10'000}, Whole{"--keys", a.keys, 1, 16 << 20},
        Whole{"--large-keys", a.large_keys, 1, 10'000},
        Whole{"--requests", a.requests_or_usual(), 1, 10'000'000'000},
        Whole{"--seed", a.seed, 0, INT64_MAX}, Whole{"--burst", a.burst, 0, 32},
        Whole{"--quantum-packets", a.quantum_packets, 0, 65'536},
        Whole{"--threshold-min", a.threshold_min, 0, kWordMax},
        Whole{"--rx-queue", a.rx_queue, 64, 1 << 20}, Whole{"--tx-queue", a.tx_queue, 64, 1 << 20},
        Whole{"--jobs", a.jobs, 1, 1024}}) {
    if (whole.value >= whole.low && whole.value <= whole.high) continue;
    return fmt::format("{}={} is out of range: {} to {} is allowed", whole.name, whole.value,
                       whole.low, whole.high);
  }
  if (!(a.over_s >= 0 && a.over_s <= 86'400)) {
    return fmt::format("--over={} is out of range: 0 to 86400 seconds is allowed", a.over_s);
  }
  if (a.rate && a.load) return "--rate and --load exclude each other";
  if (a.profile != "ideal" && (a.fixed_us || a.packet_us || a.exponential)) {
    return "--fixed-us, --packet-us and --exponential need --profile=ideal";
  }
  for (const auto& us : {a.fixed_us, a.packet_us}) {
    if (us && !(*us >= 0 && *us <= 1e6)) {
      return fmt::format("--fixed-us or --packet-us of {} is out of range: 0 to 1e6 is allowed",
                         *us);
    }
  }
  if (!(a.epoch_ms >= 0.01 && a.epoch_ms <= 1e9)) {
    return fmt::format("--epoch-ms={} is out of range: 0.01 to 1e9 is allowed", a.epoch_ms);
  }
  if (!(a.timeline_ms >= 0 && a.timeline_ms <= 1e9)) {
    return fmt::format("--timeline-ms={} is out of range: 0 to 1e9 is allowed", a.timeline_ms);
  }
  return {};
}

Nanos from_ms(double ms) {
  return Nanos(static_cast<std::int64_t>(ms * 1e6));
}

// Fills in the options; returns an error or nothing.
std::string finish(SimArguments& a) {
  SimOptions& sim = a.sim;
  const auto costs = find_cost_model(a.profile);
  if (!costs) return "--profile: " + costs.error();
  sim.costs = *costs;
  const auto policy = policy_kind_from(a.policy);
  if (!policy) return "--policy: " + policy.error();
  sim.policy = *policy;
  if (a.sizes != "trimodal" && a.sizes != "bimodal") {
    return fmt::format("--sizes={}: trimodal or bimodal is allowed", a.sizes);
  }
  if (const std::string error = argument_error(a); !error.empty()) return error;
  if (a.fixed_us) sim.costs.fixed_ns = *a.fixed_us * 1e3;
  if (a.packet_us) sim.costs.packet_ns = *a.packet_us * 1e3;
  sim.costs.exponential = a.exponential;
  if (a.rate) {
    if (!(*a.rate >= 1 && *a.rate <= 1e9)) {
      return fmt::format("--rate={} is out of range: 1 to 1e9 requests/s is allowed", *a.rate);
    }
    sim.rate_per_s = *a.rate;
  }
  if (a.load) sim.load = *a.load;
  sim.sizes = a.sizes == "bimodal" ? SimSizes::kBimodal : SimSizes::kTrimodal;
  sim.cores = static_cast<std::uint16_t>(a.cores);
  sim.dispatchers = static_cast<std::uint16_t>(a.dispatchers);
  sim.large_bytes_max = static_cast<std::uint64_t>(a.large_max);
  sim.large_factor = static_cast<std::uint32_t>(a.large_factor);
  sim.keys = static_cast<std::uint32_t>(a.keys);
  sim.large_keys = static_cast<std::uint32_t>(a.large_keys);
  sim.requests = static_cast<std::uint64_t>(a.requests_or_usual());
  sim.seed = static_cast<std::uint64_t>(a.seed);
  sim.burst_requests = static_cast<std::uint32_t>(a.burst);
  sim.quantum_packets = static_cast<std::uint32_t>(a.quantum_packets);
  sim.threshold_min_bytes = static_cast<std::uint64_t>(a.threshold_min);
  sim.rx_queue_packets = static_cast<std::uint32_t>(a.rx_queue);
  sim.tx_queue_packets = static_cast<std::uint32_t>(a.tx_queue);
  sim.epoch = from_ms(a.epoch_ms);
  sim.timeline_every = from_ms(a.timeline_ms);
  sim.start_planned = !a.cold;
  if (const auto checked = check_sim_options(sim); !checked) return checked.error();
  return {};
}

void follow_progress(SimArguments& a) {
  a.sim.progress = [quiet = a.quiet, shown = -1](std::uint64_t done, std::uint64_t total) mutable {
    const int percent = static_cast<int>(100 * done / total);
    if (!quiet && percent != shown) fmt::print(stderr, "\rminos sim: {} %", shown = percent);
    return !stop_asked.load(std::memory_order_relaxed);
  };
}

int run_from(const SimArguments& a) {
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  return run_sim_from({.server = a.from,
                       .over_s = a.over_s,
                       .own_rate = a.rate || a.load,
                       .jobs = static_cast<unsigned>(a.jobs),
                       .quiet = a.quiet,
                       .json = a.json,
                       .json_file = a.json_file,
                       .base = a.sim},
                      stop_asked);
}

int run(SimArguments& a) {
  if (const std::string error = finish(a); !error.empty()) return usage_error("minos sim", error);
  if (!a.from.empty()) return run_from(a);
  ReportOutput output;
  if (!output.open("minos sim", a.json, a.json_file)) return kExitUsage;
  std::signal(SIGINT, on_signal);
  std::signal(SIGTERM, on_signal);
  follow_progress(a);
  const SimResult result = simulate(a.sim);
  if (!a.quiet) fmt::print(stderr, "\r                    \r");
  const bool written = output.write([&] { return sim_report_json(a.sim, result).dump(2); },
                                    [&] { return sim_report_text(a.sim, result); });
  if (!written) return kExitFailed;
  if (!result.complete)
    fmt::print(stderr, "minos sim: interrupted; this is what was done so far\n");
  return result.complete ? kExitFine : kExitFailed;
}

void add_server_options(CLI::App& command, SimArguments& a) {
  command
      .add_option("--profile", a.profile,
                  "What work costs: ideal (service only); dpdk, udp or tcp (as measured); or "
                  "FILE.json, from minos calibrate --json=FILE.json")
      ->capture_default_str();
  command.add_option("--fixed-us", a.fixed_us, "Ideal: microseconds of a request [0.6]");
  command.add_option("--packet-us", a.packet_us,
                     "Ideal: and of each 1472-byte packet of its value [0.4]");
  command.add_flag("--exponential", a.exponential,
                   "Ideal: service times are random, with that as their mean");
  command
      .add_option("--policy", a.policy,
                  "elastic, size-aware, key-hash, software-handoff or work-stealing")
      ->capture_default_str();
  command.add_option("--cores", a.cores, "Cores of the server, 1 to 128")->capture_default_str();
  command
      .add_option("--dispatchers", a.dispatchers,
                  "Of software-handoff; ideal ones come on top of --cores and cost nothing")
      ->capture_default_str();
  command.add_option("--burst", a.burst, "Requests taken together, 1 to 32; 0: as the server does")
      ->capture_default_str();
  command
      .add_option("--quantum-packets", a.quantum_packets,
                  "Packets of a quantum of a large reply; 0: as the server")
      ->capture_default_str();
  command
      .add_option("--percentile", a.sim.large_percentile,
                  "Percentile of sizes above which requests are large")
      ->capture_default_str();
  command.add_option("--smoothing", a.sim.smoothing, "Weight of the newest epoch, up to 1")
      ->capture_default_str();
  command.add_option("--epoch-ms", a.epoch_ms, "Length of an epoch")->capture_default_str();
  command
      .add_option("--threshold-min", a.threshold_min,
                  "Bytes up to which nothing is large; 0: a packet's")
      ->capture_default_str();
  command.add_flag("--cold", a.cold,
                   "Start as a server that has seen no request, not with the plan for this mix");
}

void add_load_options(CLI::App& command, SimArguments& a) {
  command.add_option("--load", a.load, "Share of the capacity that is asked for, up to 2 [0.8]");
  command.add_option("--rate", a.rate, "Or requests per second");
  command
      .add_option("--sizes", a.sizes,
                  "trimodal (tiny, small, and large up to --large-max) or bimodal (one packet, and "
                  "--large-factor packets)")
      ->capture_default_str();
  command.add_option("--large-percent", a.sim.large_percent, "Percent of requests that are large")
      ->capture_default_str();
  command.add_option("--large-max", a.large_max, "Trimodal: bytes of the largest value")
      ->capture_default_str();
  command.add_option("--large-factor", a.large_factor, "Bimodal: packets of a large value")
      ->capture_default_str();
  command.add_option("--get-ratio", a.sim.get_ratio, "Share of GETs; the rest are SETs")
      ->capture_default_str();
  command.add_option("--keys", a.keys, "Keys that are not large")->capture_default_str();
  command.add_option("--large-keys", a.large_keys, "Keys that are")->capture_default_str();
  command.add_option("--zipf", a.sim.zipf, "Skew of the keys that are not large; 0 is uniform")
      ->capture_default_str();
  command
      .add_option("--answered-percent", a.sim.answered_percent,
                  "Percent of replies that are sent; others cost the cores, not the link")
      ->capture_default_str();
  command.add_option("--requests", a.requests,
                     "Requests that are counted [1000000; with --from 200000 each time]");
  command
      .add_option("--warmup-percent", a.sim.warmup_percent,
                  "Percent of --requests that come before and do not count")
      ->capture_default_str();
  command.add_option("--seed", a.seed, "Of all that is random")->capture_default_str();
}

void add_network_options(CLI::App& command, SimArguments& a) {
  command
      .add_option("--link-gbit", a.sim.link_gbit_s,
                  "Bandwidth each way, in Gb/s; 0: without limit. Ideal: there is no network")
      ->capture_default_str();
  command
      .add_option(
          "--client-gbit", a.sim.client_gbit_s,
          "Where the link has no limit: of each of eight clients' NICs; 0: values come at once")
      ->capture_default_str();
  command.add_option("--wire-us", a.sim.wire_us, "Microseconds on the way besides, each way")
      ->capture_default_str();
  command.add_option("--rx-queue", a.rx_queue, "Packets that an RX queue holds")
      ->capture_default_str();
  command.add_option("--tx-queue", a.tx_queue, "Packets that a TX queue holds")
      ->capture_default_str();
  command
      .add_option("--timeline-ms", a.timeline_ms,
                  "Latency, threshold and roles over time, a line every so often; 0: none")
      ->capture_default_str();
  command
      .add_option("--json", a.json_file,
                  "Report as JSON: alone instead of the table, or into a FILE")
      ->expected(0, 1)
      ->type_name("[FILE]");
  command.add_flag("--quiet", a.quiet, "No progress on standard error");
}

// What a server says of itself and of its load is not to be given as well.
void add_from_options(CLI::App& command, SimArguments& a) {
  CLI::Option* const from =
      command
          .add_option("--from", a.from,
                      "Ask a running minosd for its load, and simulate that under each policy, "
                      "with other numbers of cores, thresholds and quanta; with --profile=tcp "
                      "unless told otherwise; --rate or --load: its sizes at another rate")
          ->type_name("HOST:PORT");
  command
      .add_option("--over", a.over_s,
                  "Of --from: what comes within this time, such as 10s or 500ms; 0: what has come "
                  "since the server's start [10s]")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"ms", 1e-3}}))
      ->type_name("TIME")
      ->needs(from);
  command.add_option("--jobs", a.jobs, "Of --from: simulations at once, each on a thread")
      ->capture_default_str()
      ->needs(from);
  for (const char* const name :
       {"--policy", "--cores", "--dispatchers", "--burst", "--quantum-packets", "--percentile",
        "--smoothing", "--epoch-ms", "--threshold-min", "--cold", "--sizes", "--large-percent",
        "--large-max", "--large-factor", "--get-ratio", "--keys", "--large-keys", "--zipf",
        "--timeline-ms"}) {
    from->excludes(command.get_option(name));
  }
}

}  // namespace

void add_sim_command(CLI::App& app, int& exit_code) {
  static SimArguments arguments;  // the callback outlives this function
  CLI::App& command = *app.add_subcommand(
      "sim",
      "Simulate a server of any number of cores in virtual time; ARCHITECTURE.md tells what "
      "is left out.");
  add_server_options(command, arguments);
  add_load_options(command, arguments);
  add_network_options(command, arguments);
  add_from_options(command, arguments);
  CLI::Option* const json = command.get_option("--json");
  CLI::Option* const profile = command.get_option("--profile");
  command.callback([json, profile, &exit_code] {
    if (!arguments.from.empty() && profile->count() == 0) arguments.profile = "tcp";
    arguments.json = json->count() > 0;
    exit_code = run(arguments);
  });
}

}  // namespace minos
