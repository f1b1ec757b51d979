#include "cli/experiment_command.h"

#include <fmt/format.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/exit_codes.h"
#include "cli/progress.h"
#include "experiment/campaign.h"
#include "experiment/report.h"
#include "experiment/sim_points.h"
#include "experiment/summary.h"

namespace minos {
namespace {

struct ExperimentArguments {
  std::string name;
  std::string on = "sim";
  SimPointOptions points;
  std::uint32_t jobs = 1;
  std::string out = "experiments";
  bool quiet = false;
};

std::atomic<bool> experiment_interrupted = false;

// The first interrupt keeps what is done, a second one ends the program at once.
void on_experiment_interrupt(int signal) {
  experiment_interrupted.store(true, std::memory_order_relaxed);
  std::signal(signal, SIG_DFL);
}

int experiment_usage_error(const std::string& error) {
  fmt::print(stderr, "minos experiment: {}\n", error);
  return kExitUsage;
}

// The command as somebody else would repeat it: what is measured, and nothing of where it goes.
std::string repeatable_command(const ExperimentArguments& arguments) {
  const SimPointOptions& points = arguments.points;
  return fmt::format(
      "minos experiment {} --on={} --profile={} --cores={} --requests={} --keys={} "
      "--large-keys={} --seed={}",
      arguments.name, arguments.on, points.profile, points.cores, points.requests, points.keys,
      points.large_keys, points.seed);
}

void print_table(const Table& table) {
  for (const auto& row : table.rows) {
    fmt::print("{}\n", row.front());
    for (std::size_t i = 1; i < row.size(); ++i) {
      fmt::print("  {:44} {}\n", table.columns[i], row[i]);
    }
  }
}

// Says what came of it; returns the exit code.
int tell(const Campaign& campaign, const std::vector<Experiment>& experiments,
         const ExperimentArguments& arguments, bool complete) {
  const Table summary = summary_table(experiments, campaign);
  if (!summary.rows.empty()) {
    fmt::print(
        "Highest load with p99 within {} x mean service time, in % of capacity (M "
        "requests/s):\n",
        kSloServiceTimes);
    print_table(summary);
  }
  fmt::print("{}/report.html\n", arguments.out);
  for (const Series& series : campaign.series) {
    if (series.error.empty()) continue;
    fmt::print(stderr, "minos experiment: {}, {}: {}\n", series.workload.name,
               name_of(series.policy), series.error);
  }
  if (experiment_interrupted.load(std::memory_order_relaxed)) {
    fmt::print(stderr, "minos experiment: interrupted; the points that were done are in {}\n",
               arguments.out);
  }
  return complete ? kExitFine : kExitFailed;
}

int run_experiments(const ExperimentArguments& arguments) {
  const auto experiments = experiments_named(arguments.name);
  if (!experiments) return experiment_usage_error(experiments.error());
  const ReportFacts planned = {.command = repeatable_command(arguments),
                               .version = MINOS_VERSION,
                               .profile = arguments.points.profile,
                               .seed = arguments.points.seed,
                               .cores = arguments.points.cores,
                               .requests = arguments.points.requests,
                               .complete = false};
  Campaign campaign = plan_campaign(*experiments);
  if (const auto checked = check_points(campaign, arguments.points); !checked) {
    return experiment_usage_error(checked.error());
  }
  std::error_code failed;
  std::filesystem::create_directories(arguments.out, failed);
  if (failed) {
    return experiment_usage_error(fmt::format("--out={}: {}", arguments.out, failed.message()));
  }
  // Written first: nobody wants to learn of a full disk after an hour of simulation.
  if (const auto written = write_report(arguments.out, *experiments, campaign, planned); !written) {
    return experiment_usage_error("--out: " + written.error());
  }

  std::signal(SIGINT, on_experiment_interrupt);
  std::signal(SIGTERM, on_experiment_interrupt);
  ReportFacts facts = planned;
  {
    ProgressPrinter printer;
    CampaignHooks hooks{.progress = {}, .interrupted = &experiment_interrupted};
    if (!arguments.quiet) {
      hooks.progress = [&](const CampaignProgress& progress) { printer.show(progress); };
    }
    const MeasurePoint measure = simulated_points(arguments.points, &experiment_interrupted);
    facts.complete = run_campaign(campaign, measure, arguments.jobs, hooks);
  }
  if (const auto written = write_report(arguments.out, *experiments, campaign, facts); !written) {
    fmt::print(stderr, "minos experiment: {}\n", written.error());
    return kExitFailed;
  }
  return tell(campaign, *experiments, arguments, facts.complete);
}

std::string experiments_help() {
  std::string help = "One of these, or all:";
  for (const Experiment& experiment : all_experiments()) help += " " + experiment.name;
  return help;
}

}  // namespace

void add_experiment_command(CLI::App& app, int& exit_code) {
  static ExperimentArguments arguments;  // the callback outlives this function
  SimPointOptions& points = arguments.points;
  CLI::App& command = *app.add_subcommand(
      "experiment",
      "Run the evaluation under all five policies: CSV files and one HTML report with plots.");
  command.add_option("NAME", arguments.name, experiments_help())->required();
  command.add_option("--on", arguments.on, "Where to run it: sim, virtual cores in virtual time")
      ->check(CLI::IsMember({"sim"}))
      ->capture_default_str();
  command
      .add_option("--profile", points.profile, "What work costs a virtual core: dpdk, tcp or ideal")
      ->capture_default_str();
  command.add_option("--cores", points.cores, "Virtual cores")
      ->check(CLI::Range(1, 128))
      ->capture_default_str();
  command
      .add_option("--requests", points.requests,
                  "Requests measured at each point: fewer are quicker, and p99 of large requests "
                  "wants some 100,000 of them")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
      ->capture_default_str();
  command.add_option("--keys", points.keys, "Keys with tiny and small values")
      ->check(CLI::Range(1, 1 << 28))
      ->capture_default_str();
  command.add_option("--large-keys", points.large_keys, "Keys with large values")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command.add_option("--seed", points.seed, "Of all random choices: same seed, same results")
      ->capture_default_str();
  command.add_option("--jobs", arguments.jobs, "Points to simulate at once, each on a thread")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--out", arguments.out, "Folder for report.html and the CSV files")
      ->capture_default_str();
  command.add_flag("--quiet", arguments.quiet, "No progress on standard error");
  command.callback([&exit_code] { exit_code = run_experiments(arguments); });
}

}  // namespace minos
