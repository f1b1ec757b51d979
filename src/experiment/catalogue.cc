#include "experiment/catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace minos {
namespace {

constexpr std::array kPolicies = {PolicyKind::kElastic, PolicyKind::kSizeAware,
                                  PolicyKind::kKeyHash, PolicyKind::kSoftwareHandoff,
                                  PolicyKind::kWorkStealing};

constexpr std::size_t kSizeAware = 2;  // so many of them are not blind

const std::vector<double> kFineLoads = {0.1,  0.2, 0.3,  0.4, 0.5,  0.6, 0.7,
                                        0.75, 0.8, 0.85, 0.9, 0.95, 0.98};
const std::vector<double> kCoarseLoads = {0.3, 0.5, 0.7, 0.8, 0.9, 0.95};

Workload paper_default() {
  return {.name = "default"};
}

Workload with_large_percent(double percent) {
  Workload workload = paper_default();
  if (percent == workload.large_percent) return workload;
  workload.name = fmt::format("p_L {} %", percent);
  workload.large_percent = percent;
  return workload;
}

Workload with_large_kilobytes(std::uint64_t kilobytes) {
  Workload workload = paper_default();
  if (kilobytes * 1000 == workload.large_bytes_max) return workload;
  workload.name = fmt::format("s_L {} KB", kilobytes);
  workload.large_bytes_max = kilobytes * 1000;
  return workload;
}

Workload write_intensive() {
  Workload workload = paper_default();
  workload.name = "GET:PUT 50:50";
  workload.get_share = 0.5;
  return workload;
}

Workload with_answered(double percent) {
  Workload workload = paper_default();
  workload.name = fmt::format("40 Gb/s, {} % answered", percent);
  workload.answered_percent = percent;
  workload.link_gbps = 40;
  return workload;
}

Workload changing() {
  Workload workload = paper_default();
  workload.name = "p_L changing";
  workload.phases_large_percent = {0.125, 0.25, 0.5, 0.75, 0.5, 0.25, 0.125};
  return workload;
}

Workload motivating(double factor) {
  return {.name = fmt::format("bimodal, K = {}", factor),
          .mix = SizeMix::kBimodal,
          .large_factor = factor,
          .get_share = 1,
          .ideal = true};
}

std::vector<Experiment> build() {
  std::vector<Experiment> list;
  list.push_back({.name = "throughput",
                  .title = "Throughput against p99",
                  .shows = "How far throughput can rise before the 99th percentile of all "
                           "requests does, under the default workload.",
                  .view = ExperimentView::kThroughput,
                  .workloads = {paper_default()},
                  .loads = kFineLoads,
                  .find_slo = true,
                  .summarised = true});
  list.push_back({.name = "large",
                  .title = "p99 of large requests",
                  .shows = "What large requests pay for it, under the default workload.",
                  .view = ExperimentView::kLarge,
                  .workloads = {paper_default()},
                  .loads = kFineLoads});
  list.push_back({.name = "write-intensive",
                  .title = "As many PUTs as GETs",
                  .shows = "Throughput against the 99th percentile when half of the requests "
                           "write.",
                  .view = ExperimentView::kThroughput,
                  .workloads = {write_intensive()},
                  .loads = kFineLoads,
                  .find_slo = true,
                  .summarised = true});
  list.push_back({.name = "large-share",
                  .title = "Share of large requests (p_L)",
                  .shows = "The highest throughput that keeps the SLO, and p99, as large requests "
                           "become more frequent.",
                  .view = ExperimentView::kSweep,
                  .loads = kCoarseLoads,
                  .find_slo = true,
                  .parameter = "large requests, p_L (% of requests)",
                  .values = {0.0625, 0.125, 0.25, 0.5, 0.75},
                  .summarised = true});
  for (const double percent : list.back().values) {
    list.back().workloads.push_back(with_large_percent(percent));
  }
  list.push_back({.name = "large-size",
                  .title = "Size of large requests (s_L)",
                  .shows = "The same as the largest value grows.",
                  .view = ExperimentView::kSweep,
                  .loads = kCoarseLoads,
                  .find_slo = true,
                  .parameter = "largest value, s_L (KB)",
                  .values = {250, 500, 1000},
                  .summarised = true});
  for (const double kilobytes : list.back().values) {
    list.back().workloads.push_back(with_large_kilobytes(static_cast<std::uint64_t>(kilobytes)));
  }
  return list;
}

// The experiments that are about something else than the load at which a workload breaks the SLO.
void append_others(std::vector<Experiment>& list) {
  list.push_back({.name = "answered-share",
                  .title = "Network bandwidth: share of requests answered in full",
                  .shows = "On a link of 40 Gb/s the network is the bottleneck; answering only "
                           "some GETs with their value shows what a faster one would give.",
                  .view = ExperimentView::kSweep,
                  .loads = {0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9},
                  .find_slo = true,
                  .parameter = "GETs answered with their value (%)",
                  .values = {25, 50, 75, 100}});
  for (const double percent : list.back().values) {
    list.back().workloads.push_back(with_answered(percent));
  }
  list.push_back({.name = "balance",
                  .title = "Balance across cores",
                  .shows = "Requests and packets that each core handles at 80 % load, default "
                           "workload.",
                  .view = ExperimentView::kCores,
                  .workloads = {paper_default()},
                  .loads = {0.8}});
  list.push_back({.name = "changing-share",
                  .title = "p_L changes while it runs",
                  .shows = "How p99 and the number of large cores follow the share of large "
                           "requests. The paper's 20 s between changes and its epochs of 1 s are "
                           "both shrunk: a phase has 20 epochs, and 4 times the requests of "
                           "another point.",
                  .view = ExperimentView::kTimeline,
                  .workloads = {changing()},
                  .loads = {0.8}});
  list.push_back({.name = "motivating",
                  .title = "Motivating simulation: two kinds of requests",
                  .shows = "Service times alone, without any overhead: 0.125 % of requests take K "
                           "times as long as the others.",
                  .view = ExperimentView::kLoad,
                  .workloads = {motivating(10), motivating(100), motivating(1000)},
                  .loads = kFineLoads});
}

const std::vector<Experiment>& catalogue() {
  static const std::vector<Experiment> list = [] {
    std::vector<Experiment> all = build();
    append_others(all);
    return all;
  }();
  return list;
}

}  // namespace

std::span<const Experiment> all_experiments() {
  return catalogue();
}

std::expected<std::vector<Experiment>, std::string> experiments_named(std::string_view name) {
  const std::vector<Experiment>& list = catalogue();
  if (name == kAllExperiments) return list;
  const auto found = std::ranges::find(list, name, &Experiment::name);
  if (found != list.end()) return std::vector{*found};
  std::string names;
  for (const Experiment& experiment : list) names += experiment.name + ", ";
  return std::unexpected(
      fmt::format("no experiment \"{}\"; there are {}and {}", name, names, kAllExperiments));
}

std::span<const PolicyKind> compared_policies() {
  return kPolicies;
}

std::span<const PolicyKind> size_aware_policies() {
  return compared_policies().first(kSizeAware);
}

std::span<const PolicyKind> size_unaware_policies() {
  return compared_policies().subspan(kSizeAware);
}

}  // namespace minos
