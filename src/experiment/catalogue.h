#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "experiment/point.h"

namespace minos {

// How an experiment's points are shown.
enum class ExperimentView : std::uint8_t {
  kThroughput,  // p99 of all requests over throughput, a plot for each workload
  kLarge,       // the same of large requests
  kLoad,        // p99 of all requests over load, a plot for each workload
  kSweep,       // over the parameter that the workloads differ in: throughput at the SLO, p99
  kCores,       // requests and packets of each core
  kTimeline,    // p99 and large cores over time
};

// One of the evaluation's experiments, as data.
struct Experiment {
  std::string name{};
  std::string title{};
  std::string shows{};  // a sentence
  ExperimentView view = ExperimentView::kThroughput;
  std::vector<Workload> workloads{};
  std::vector<double> loads{};   // ascending, in (0, 1)
  bool find_slo = false;         // also search for the highest load that keeps the SLO
  std::string parameter{};       // of kSweep: what the workloads differ in, with its unit
  std::vector<double> values{};  // of kSweep: the parameter of each workload
  bool summarised = false;       // its workloads are rows of the summary
};

// All nine, in the order of the evaluation.
std::span<const Experiment> all_experiments();

inline constexpr std::string_view kAllExperiments = "all";

// The experiment of that name, or all of them. Error: a sentence with the names that there are.
std::expected<std::vector<Experiment>, std::string> experiments_named(std::string_view name);

// The policies of every experiment: first those that look at sizes, then those that are blind.
std::span<const PolicyKind> compared_policies();
std::span<const PolicyKind> size_aware_policies();
std::span<const PolicyKind> size_unaware_policies();

}  // namespace minos
