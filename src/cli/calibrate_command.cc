#include "cli/calibrate_command.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "base/units.h"
#include "calibration/cache_line.h"
#include "calibration/loads.h"
#include "calibration/measure.h"
#include "calibration/report.h"
#include "cli/exit_codes.h"
#include "cli/progress.h"
#include "cli/report_output.h"
#include "cli/this_machine.h"

namespace minos {
namespace {

struct CalibrateArguments {
  MeasureOptions measure;
  std::string on = "dpdk";
  std::vector<std::uint32_t> cpus;
  int rounds = 3;
  bool json = false;
  std::string json_file;
  bool quiet = false;
};

constexpr int kRefinements = 4;

// That cross over with a message: its slot, back and forth, and then the packet.
constexpr int kRingOutLines = 1;
constexpr int kRingInLines = 2;

std::atomic<bool> calibrate_interrupted = false;

void on_calibrate_interrupt(int) {
  calibrate_interrupted.store(true, std::memory_order_relaxed);
}

// Fills in what the user left out; returns an error or nothing.
std::string finish(CalibrateArguments& a) {
  MeasureOptions& measure = a.measure;
  measure.on = a.on == "tcp"   ? ProtocolKind::kMemcached
               : a.on == "udp" ? ProtocolKind::kUdp
                               : ProtocolKind::kDpdk;
  std::error_code failed;
  measure.minos = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  auto minosd = find_minosd(measure.minosd);
  if (!minosd) return minosd.error();
  measure.minosd = std::move(*minosd);
  if (a.cpus.empty()) a.cpus = usable_cpus();
  if (a.cpus.size() < 2) {
    return "two CPUs are needed, and three are better: two for a server, one for its client";
  }
  // Where there are two, the client shares that of the second worker, which most loads do without.
  measure.server_cpus = {a.cpus[0], a.cpus[1]};
  measure.client_cpu = a.cpus[std::min<std::size_t>(2, a.cpus.size() - 1)];
  return {};
}

std::expected<std::vector<CostSample>, std::string> measure(const CalibrateArguments& a) {
  ProgressPrinter printer;
  MeasureHooks hooks{.progress = {}, .interrupted = &calibrate_interrupted};
  const Nanos start = monotonic_now();
  std::vector<CostSample> all;
  for (int round = 0; round < a.rounds; ++round) {
    const auto rounds = static_cast<std::size_t>(a.rounds);
    const auto before = static_cast<std::size_t>(round);
    if (!a.quiet) {
      hooks.progress = [&](std::size_t done, std::size_t total) {
        printer.show(CampaignProgress{.done = before * total + done,
                                      .total = rounds * total,
                                      .elapsed = monotonic_now() - start});
      };
    }
    auto samples = measure_costs(a.measure, hooks);
    if (!samples) return samples;
    all.insert(all.end(), samples->begin(), samples->end());
  }
  return all;
}

// Which slices were disturbed is seen by how far they are from a fit, which then is made anew.
Calibration fit(const CalibrateArguments& a, const std::vector<CostSample>& samples) {
  Calibration out;
  out.built_in = *cost_model_named(a.on);
  out.ties = calibration_ties(a.measure.on);
  std::vector<CostSample> quick = samples;
  for (int i = 0; i < kRefinements; ++i) {
    CostFit fit = fit_costs(quick, out.built_in, out.ties);
    fit.fitted_ns = fitted_times(samples, fit);
    quick = quick_samples(samples, fit);
  }
  out.fit = fit_costs(quick, out.built_in, out.ties);
  out.samples = std::move(quick);
  out.fit.costs.name = a.on;
  const auto line = measure_cache_line_ns(a.cpus[0], a.cpus[1]);
  if (line) out.fit.costs.cache_line_ns = *line;
  out.cache_line_measured = line.has_value();
  if (a.cpus.size() == 2 && line && is_datagrams(a.measure.on)) {
    out.rings_by_lines = true;
    out.fit.costs.ring_out_ns = kRingOutLines * *line;
    out.fit.costs.ring_in_ns = kRingInLines * *line;
  }
  return out;
}

int run(CalibrateArguments& a) {
  if (const std::string error = finish(a); !error.empty()) {
    return usage_error("minos calibrate", error);
  }
  ReportOutput output;
  if (!output.open("minos calibrate", a.json, a.json_file)) return kExitUsage;
  std::signal(SIGINT, on_calibrate_interrupt);
  std::signal(SIGTERM, on_calibrate_interrupt);
  const auto samples = measure(a);
  if (!samples) return failure("minos calibrate", samples.error());
  if (samples->empty()) return failure("minos calibrate", "the server's threads did nothing");
  const Calibration calibration = fit(a, *samples);
  const bool written = output.write([&] { return calibration_json(calibration).dump(2); },
                                    [&] { return calibration_text(calibration); });
  return written ? kExitFine : kExitFailed;
}

}  // namespace

void add_calibrate_command(CLI::App& app, int& exit_code) {
  static CalibrateArguments arguments;  // the callback outlives this function
  CLI::App& command = *app.add_subcommand(
      "calibrate",
      "Measure what work costs minosd on this machine, and fit a profile for minos sim to it.");
  command
      .add_option("--on", arguments.on,
                  "What the server is reached by: dpdk (vhost, needs no NIC), kernel udp, or tcp")
      ->check(CLI::IsMember({"dpdk", "udp", "tcp"}))
      ->capture_default_str();
  command.add_option("--minosd", arguments.measure.minosd, "The server [beside minos]");
  command
      .add_option("--seconds", arguments.measure.seconds,
                  "That each load is measured; there are some thirty, and each takes a second more")
      ->check(CLI::Range(0.05, 600.0))
      ->capture_default_str();
  command
      .add_option("--rounds", arguments.rounds,
                  "Times that all is measured: the machine is slower at some times than at others")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
  command
      .add_option("--cpus", arguments.cpus,
                  "CPUs of the server's workers, two, and of the client [the first three]")
      ->delimiter(',');
  command
      .add_option(
          "--json", arguments.json_file,
          "Report as JSON, for minos sim --profile=FILE.json: alone instead of the table, or "
          "into a FILE")
      ->expected(0, 1)
      ->type_name("[FILE]");
  command.add_flag("--quiet", arguments.quiet, "No progress on standard error");
  CLI::Option* const json = command.get_option("--json");
  command.callback([json, &exit_code] {
    arguments.json = json->count() > 0;
    exit_code = run(arguments);
  });
}

}  // namespace minos
