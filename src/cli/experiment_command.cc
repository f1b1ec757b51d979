#include "cli/experiment_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include <CLI/CLI.hpp>

#include "cli/exit_codes.h"
#include "cli/experiment_live.h"
#include "cli/progress.h"
#include "experiment/campaign.h"
#include "experiment/live_plan.h"
#include "experiment/report.h"
#include "experiment/sim_points.h"
#include "experiment/summary.h"

namespace minos {
namespace {

constexpr std::uint16_t kVirtualCores = 8;

struct ExperimentArguments {
  std::string name;
  std::string on = "sim";
  SimPointOptions points;
  LiveArguments live;
  std::optional<std::uint16_t> cores;
  std::vector<std::string> policies;
  std::vector<double> loads;
  std::uint32_t jobs = 1;
  std::string out = "experiments";
  bool quiet = false;
};

// All that is to be measured, and by what.
struct PlannedRun {
  std::vector<Experiment> experiments;
  Campaign campaign;
  ReportFacts facts;
  std::function<bool(Campaign&, const CampaignHooks&)> run;
};

std::atomic<bool> experiment_interrupted = false;

// The first interrupt keeps what is done, a second one ends the program at once.
void on_experiment_interrupt(int signal) {
  experiment_interrupted.store(true, std::memory_order_relaxed);
  std::signal(signal, SIG_DFL);
}

// The choices that both kinds of runs have, as options.
std::string chosen(const ExperimentArguments& arguments) {
  std::string text;
  if (!arguments.policies.empty()) {
    text += fmt::format(" --policies={}", fmt::join(arguments.policies, ","));
  }
  if (!arguments.loads.empty()) {
    text += fmt::format(" --loads={}", fmt::join(arguments.loads, ","));
  }
  return text;
}

// The command as somebody else would repeat it: what is measured, and nothing of where it goes.
std::string repeatable_command(const ExperimentArguments& arguments) {
  const SimPointOptions& points = arguments.points;
  if (arguments.on == "sim") {
    return fmt::format(
        "minos experiment {} --on=sim --profile={} --cores={} --requests={} --keys={} "
        "--large-keys={} --seed={}{}",
        arguments.name, points.profile, points.cores, points.requests, points.keys,
        points.large_keys, points.seed, chosen(arguments));
  }
  const std::string cores =
      arguments.cores ? fmt::format(" --cores={}", *arguments.cores) : std::string();
  return fmt::format(
      "minos experiment {} --on={}{} --seconds={} --repeats={} --keys={} --large-keys={} "
      "--seed={}{}",
      arguments.name, arguments.on, cores, arguments.live.seconds, arguments.live.repeats,
      points.keys, points.large_keys, points.seed, chosen(arguments));
}

std::expected<std::vector<PolicyKind>, std::string> chosen_policies(
    const ExperimentArguments& arguments) {
  const auto all = compared_policies();
  std::vector<PolicyKind> policies(all.begin(), all.end());
  if (arguments.policies.empty()) return policies;
  std::vector<PolicyKind> wanted;
  for (const std::string& name : arguments.policies) {
    const auto kind = policy_kind_from(name);
    if (!kind) return std::unexpected("--policies: " + kind.error());
    wanted.push_back(*kind);
  }
  std::erase_if(policies,
                [&](PolicyKind kind) { return std::ranges::find(wanted, kind) == wanted.end(); });
  return policies;
}

void choose_loads(std::vector<Experiment>& experiments, std::vector<double> loads) {
  if (loads.empty()) return;
  std::ranges::sort(loads);
  const auto doubled = std::ranges::unique(loads);
  loads.erase(doubled.begin(), doubled.end());
  for (Experiment& experiment : experiments) experiment.loads = loads;
}

std::expected<PlannedRun, std::string> plan_simulated(const ExperimentArguments& arguments,
                                                      std::vector<Experiment> experiments,
                                                      std::span<const PolicyKind> policies) {
  const SimPointOptions& points = arguments.points;
  choose_loads(experiments, arguments.loads);
  PlannedRun planned{.experiments = std::move(experiments), .campaign = {}, .facts = {}, .run = {}};
  planned.campaign = plan_campaign(planned.experiments, policies);
  if (const auto checked = check_points(planned.campaign, points); !checked) {
    return std::unexpected(checked.error());
  }
  planned.facts = {.command = repeatable_command(arguments),
                   .version = MINOS_VERSION,
                   .profile = points.profile,
                   .seed = points.seed,
                   .cores = points.cores,
                   .requests = points.requests};
  planned.run = [&arguments](Campaign& campaign, const CampaignHooks& hooks) {
    return run_campaign(campaign, simulated_points(arguments.points, hooks.interrupted),
                        arguments.jobs, hooks);
  };
  return planned;
}

std::expected<PlannedRun, std::string> plan_on_server(const ExperimentArguments& arguments,
                                                      std::vector<Experiment> experiments,
                                                      std::span<const PolicyKind> policies) {
  LiveArguments live = arguments.live;
  live.on = arguments.on;
  live.cores = arguments.cores.value_or(0);
  live.keys = arguments.points.keys;
  live.large_keys = arguments.points.large_keys;
  live.seed = arguments.points.seed;
  auto setup = set_up_live(live, &experiment_interrupted);
  if (!setup) return std::unexpected(setup.error());
  LivePlan plan = plan_live(std::move(experiments), policies, setup->points.cores);
  for (const std::string& sentence : plan.left_out) {
    fmt::print(stderr, "minos experiment: {}\n", sentence);
  }
  if (plan.experiments.empty() || plan.policies.empty()) {
    return std::unexpected("nothing is left to measure on a real server here");
  }
  choose_loads(plan.experiments, arguments.loads);
  setup->facts.left_out = std::move(plan.left_out);
  PlannedRun planned{
      .experiments = std::move(plan.experiments), .campaign = {}, .facts = {}, .run = {}};
  planned.campaign = plan_campaign(planned.experiments, plan.policies);
  planned.facts = {.command = repeatable_command(arguments),
                   .version = MINOS_VERSION,
                   .profile = arguments.on,
                   .seed = live.seed,
                   .cores = setup->points.cores,
                   .live = std::move(setup->facts)};
  planned.run = [points = setup->points, servers = std::move(setup->servers)](
                    Campaign& campaign, const CampaignHooks& hooks) {
    LocalServers local(servers);
    LivePoints live_points(local, points);
    return run_side_by_side(
        campaign,
        [&](const Workload& workload, double load, std::span<const PolicyKind> of) {
          return live_points.measure(workload, load, of);
        },
        hooks);
  };
  return planned;
}

std::expected<PlannedRun, std::string> plan_run(const ExperimentArguments& arguments) {
  auto experiments = experiments_named(arguments.name);
  if (!experiments) return std::unexpected(experiments.error());
  const auto policies = chosen_policies(arguments);
  if (!policies) return std::unexpected(policies.error());
  return arguments.on == "sim" ? plan_simulated(arguments, std::move(*experiments), *policies)
                               : plan_on_server(arguments, std::move(*experiments), *policies);
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

int run_experiments(ExperimentArguments& arguments) {
  arguments.points.cores = arguments.cores.value_or(kVirtualCores);
  auto planned = plan_run(arguments);
  if (!planned) return usage_error("minos experiment", planned.error());
  std::error_code failed;
  std::filesystem::create_directories(arguments.out, failed);
  if (failed) {
    return usage_error("minos experiment",
                       fmt::format("--out={}: {}", arguments.out, failed.message()));
  }
  Campaign& campaign = planned->campaign;
  ReportFacts& facts = planned->facts;
  // Written first: nobody wants to learn of a full disk after an hour of measuring.
  facts.complete = false;
  const auto tried = write_report(arguments.out, planned->experiments, campaign, facts);
  if (!tried) return usage_error("minos experiment", "--out: " + tried.error());

  std::signal(SIGINT, on_experiment_interrupt);
  std::signal(SIGTERM, on_experiment_interrupt);
  {
    ProgressPrinter printer;
    CampaignHooks hooks{.progress = {}, .interrupted = &experiment_interrupted};
    if (!arguments.quiet) {
      hooks.progress = [&](const CampaignProgress& progress) { printer.show(progress); };
    }
    facts.complete = planned->run(campaign, hooks);
  }
  const auto written = write_report(arguments.out, planned->experiments, campaign, facts);
  if (!written) {
    fmt::print(stderr, "minos experiment: {}\n", written.error());
    return kExitFailed;
  }
  return tell(campaign, planned->experiments, arguments, facts.complete);
}

// Options that only one kind of run has.
std::string misplaced_option(const CLI::App& command, const std::string& on) {
  const bool sim = on == "sim";
  for (const char* const name : {"--profile", "--requests", "--jobs"}) {
    if (!sim && command.count(name) > 0) return fmt::format("{} needs --on=sim", name);
  }
  for (const char* const name : {"--minosd", "--seconds", "--repeats"}) {
    if (sim && command.count(name) > 0) {
      return fmt::format("{} needs a real server: --on=udp, dpdk or tcp", name);
    }
  }
  return {};
}

std::string experiments_help() {
  std::string help = "One of these, or all:";
  for (const Experiment& experiment : all_experiments()) help += " " + experiment.name;
  return help;
}

void add_choice_options(CLI::App& command, ExperimentArguments& arguments) {
  SimPointOptions& points = arguments.points;
  command.add_option("NAME", arguments.name, experiments_help())->required();
  command
      .add_option("--on", arguments.on,
                  "Where to run it: sim, virtual cores in virtual time; udp, dpdk or tcp, a minosd "
                  "of this machine over that transport")
      ->check(CLI::IsMember({"sim", "udp", "dpdk", "tcp"}))
      ->capture_default_str();
  command
      .add_option("--cores", arguments.cores,
                  "Virtual cores [8]; of a real server, one CPU each [all but the load "
                  "generator's]")
      ->check(CLI::Range(1, 128));
  command.add_option("--policies", arguments.policies, "Of the five, such as elastic,key-hash")
      ->delimiter(',');
  command
      .add_option("--loads", arguments.loads,
                  "Shares of capacity instead of those of the experiments, such as 0.4,0.8")
      ->delimiter(',')
      ->check(CLI::Range(0.001, 0.999));
  command.add_option("--keys", points.keys, "Keys with tiny and small values")
      ->check(CLI::Range(1, 1 << 28))
      ->capture_default_str();
  command.add_option("--large-keys", points.large_keys, "Keys with large values")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--seed", points.seed,
                  "Of all random choices: the same requests, and in the simulator the same results")
      ->capture_default_str();
  command.add_option("--out", arguments.out, "Folder for report.html and the CSV files")
      ->capture_default_str();
  command.add_flag("--quiet", arguments.quiet, "No progress on standard error");
}

void add_run_options(CLI::App& command, ExperimentArguments& arguments) {
  SimPointOptions& points = arguments.points;
  LiveArguments& live = arguments.live;
  command
      .add_option("--profile", points.profile,
                  "What work costs a virtual core: dpdk, udp, tcp, ideal or FILE.json, from minos "
                  "calibrate --json=FILE.json")
      ->capture_default_str();
  command
      .add_option("--requests", points.requests,
                  "Requests simulated at each point: fewer are quicker, and p99 of large requests "
                  "wants some 100,000 of them")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1} << 40))
      ->capture_default_str();
  command.add_option("--jobs", arguments.jobs, "Points to simulate at once, each on a thread")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command.add_option("--minosd", live.minosd, "Path of the server [beside this program]");
  command
      .add_option("--seconds", live.seconds,
                  "Measured at each point of a real server, over all turns of its policy")
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  command
      .add_option("--repeats", live.repeats,
                  "Turns that the policies take at each load of a real server; the median counts")
      ->check(CLI::Range(1, 100))
      ->capture_default_str();
}

}  // namespace

void add_experiment_command(CLI::App& app, int& exit_code) {
  static ExperimentArguments arguments;  // the callback outlives this function
  CLI::App& command = *app.add_subcommand(
      "experiment",
      "Run the evaluation under all five policies: CSV files and one HTML report with plots.");
  add_choice_options(command, arguments);
  add_run_options(command, arguments);
  command.callback([&command, &exit_code] {
    const std::string misplaced = misplaced_option(command, arguments.on);
    exit_code =
        misplaced.empty() ? run_experiments(arguments) : usage_error("minos experiment", misplaced);
  });
}

}  // namespace minos
