#include "experiment/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

namespace minos {
namespace {

constexpr std::string_view kUnknown = "–";

// Calls `each` with every summarised workload and one of its experiments, each workload once.
void for_each_workload(
    const std::vector<Experiment>& experiments,
    const std::function<void(const Experiment&, const std::string& workload)>& each) {
  std::vector<std::string> seen;
  for (const Experiment& experiment : experiments) {
    if (!experiment.summarised) continue;
    for (const Workload& workload : experiment.workloads) {
      if (std::ranges::find(seen, workload.name) != seen.end()) continue;
      seen.push_back(workload.name);
      each(experiment, workload.name);
    }
  }
}

// Null also where the server did not answer.
const PointResult* answered_at(const Campaign& campaign, const std::string& workload,
                               PolicyKind policy, double load) {
  const Series* const series = campaign.find(workload, policy);
  const PointResult* const point = series == nullptr ? nullptr : series->at(load);
  return point != nullptr && answers(*point) ? point : nullptr;
}

// The least p99 of any size-unaware policy at that load, of the class that `of` names.
std::optional<std::pair<PolicyKind, double>> best_unaware_p99(const Campaign& campaign,
                                                              const std::string& workload,
                                                              double load,
                                                              ClassFigures PointResult::* of) {
  std::optional<std::pair<PolicyKind, double>> best;
  for (const PolicyKind policy : size_unaware_policies()) {
    const PointResult* const point = answered_at(campaign, workload, policy, load);
    if (point == nullptr) continue;
    const double p99 = (point->*of).p99_us;
    if (!best || p99 < best->second) best = {policy, p99};
  }
  return best;
}

std::string limit_cell(const std::optional<SloLimit>& limit) {
  if (!limit) return std::string(kUnknown);
  if (limit->load == 0) return "none";
  return fmt::format("{:.1f} % ({})", 100 * limit->load, short_number(limit->mops));
}

std::string ratio_cell(const std::optional<AgainstUnaware>& ratio) {
  if (!ratio) return std::string(kUnknown);
  return short_number(ratio->ratio) + " ×";
}

std::string ratio_at_cell(const std::optional<AgainstUnaware>& ratio) {
  if (!ratio) return std::string(kUnknown);
  return fmt::format("{} × at {:.0f} %, {}", short_number(ratio->ratio), 100 * ratio->load,
                     name_of(ratio->unaware));
}

std::string small_cell(const Campaign& campaign, const std::string& workload, PolicyKind policy) {
  const PointResult* const point = answered_at(campaign, workload, policy, 0.9);
  if (point == nullptr) return std::string(kUnknown);
  return short_number(point->small.p99_us / point->mean_service_us) + " ×";
}

std::string large_cell(const Campaign& campaign, const std::string& workload, PolicyKind policy) {
  const PointResult* const point = answered_at(campaign, workload, policy, 0.8);
  const auto best = best_unaware_p99(campaign, workload, 0.8, &PointResult::large);
  if (point == nullptr || !best || best->second == 0) return std::string(kUnknown);
  return fmt::format("{} × ({})", short_number(point->large.p99_us / best->second),
                     name_of(best->first));
}

}  // namespace

std::string short_number(double value) {
  if (!std::isfinite(value)) return std::string(kUnknown);
  const double size = std::abs(value);
  if (size >= 99.95) return fmt::format("{:.0f}", value);
  if (size >= 9.995) return fmt::format("{:.1f}", value);
  return fmt::format("{:.2f}", value);
}

std::optional<SloLimit> slo_limit(const Campaign& campaign, const std::string& workload,
                                  PolicyKind policy) {
  const Series* const series = campaign.find(workload, policy);
  if (series == nullptr || !series->slo_load) return std::nullopt;
  if (*series->slo_load == 0) return SloLimit{};
  const PointResult* const point = series->at(*series->slo_load);
  return SloLimit{.load = *series->slo_load, .mops = point == nullptr ? 0 : point->throughput_mops};
}

std::optional<AgainstUnaware> throughput_ratio(const Campaign& campaign,
                                               const std::string& workload, PolicyKind policy) {
  const auto mine = slo_limit(campaign, workload, policy);
  std::optional<AgainstUnaware> best;
  double best_mops = 0;
  for (const PolicyKind other : size_unaware_policies()) {
    const auto limit = slo_limit(campaign, workload, other);
    if (!limit) return std::nullopt;
    if (limit->mops <= best_mops) continue;
    best_mops = limit->mops;
    best = AgainstUnaware{.ratio = 0, .unaware = other, .load = limit->load};
  }
  if (!mine || !best) return std::nullopt;
  best->ratio = mine->mops / best_mops;
  return best;
}

std::optional<AgainstUnaware> p99_ratio(const Campaign& campaign, const Experiment& experiment,
                                        const std::string& workload, PolicyKind policy) {
  std::optional<AgainstUnaware> greatest;
  for (const double load : experiment.loads) {
    const PointResult* const mine = answered_at(campaign, workload, policy, load);
    const auto best = best_unaware_p99(campaign, workload, load, &PointResult::all);
    if (mine == nullptr || !best || mine->all.p99_us <= 0) continue;
    const double ratio = best->second / mine->all.p99_us;
    if (!greatest || ratio > greatest->ratio) {
      greatest = AgainstUnaware{.ratio = ratio, .unaware = best->first, .load = load};
    }
  }
  return greatest;
}

Table summary_table(const std::vector<Experiment>& experiments, const Campaign& campaign) {
  Table table{.columns = {"workload"}};
  for (const PolicyKind policy : compared_policies()) {
    table.columns.emplace_back(name_of(policy));
  }
  for (const PolicyKind policy : size_aware_policies()) {
    table.columns.push_back(fmt::format("{} ÷ best size-unaware", name_of(policy)));
  }
  for (const PolicyKind policy : size_aware_policies()) {
    table.columns.push_back(fmt::format("p99: best size-unaware ÷ {}", name_of(policy)));
  }
  for_each_workload(experiments, [&](const Experiment& experiment, const std::string& workload) {
    std::vector<std::string> row = {workload};
    for (const PolicyKind policy : compared_policies()) {
      row.push_back(limit_cell(slo_limit(campaign, workload, policy)));
    }
    for (const PolicyKind policy : size_aware_policies()) {
      row.push_back(ratio_cell(throughput_ratio(campaign, workload, policy)));
    }
    for (const PolicyKind policy : size_aware_policies()) {
      row.push_back(ratio_at_cell(p99_ratio(campaign, experiment, workload, policy)));
    }
    table.rows.push_back(std::move(row));
  });
  return table;
}

Table summary_csv(const std::vector<Experiment>& experiments, const Campaign& campaign) {
  Table table{.columns = {"workload", "policy", "slo_load", "slo_throughput_mops",
                          "throughput_over_best_unaware", "best_unaware",
                          "best_unaware_p99_over_p99", "at_load", "best_unaware_at_load"},
              .rows = {}};
  for_each_workload(experiments, [&](const Experiment& experiment, const std::string& workload) {
    for (const PolicyKind policy : compared_policies()) {
      std::vector<std::string> row = {workload, std::string(name_of(policy))};
      const auto limit = slo_limit(campaign, workload, policy);
      row.push_back(limit ? fmt::format("{:.6g}", limit->load) : "");
      row.push_back(limit ? fmt::format("{:.6g}", limit->mops) : "");
      const auto ratio = throughput_ratio(campaign, workload, policy);
      row.push_back(ratio ? fmt::format("{:.6g}", ratio->ratio) : "");
      row.emplace_back(ratio ? name_of(ratio->unaware) : "");
      const auto p99 = p99_ratio(campaign, experiment, workload, policy);
      row.push_back(p99 ? fmt::format("{:.6g}", p99->ratio) : "");
      row.push_back(p99 ? fmt::format("{:.6g}", p99->load) : "");
      row.emplace_back(p99 ? name_of(p99->unaware) : "");
      table.rows.push_back(std::move(row));
    }
  });
  return table;
}

Table classes_table(const std::vector<Experiment>& experiments, const Campaign& campaign) {
  Table table{.columns = {"workload"}};
  for (const PolicyKind policy : compared_policies()) {
    table.columns.push_back(fmt::format("small, {}", name_of(policy)));
  }
  for (const PolicyKind policy : size_aware_policies()) {
    table.columns.push_back(fmt::format("large, {} ÷ best size-unaware", name_of(policy)));
  }
  for_each_workload(experiments, [&](const Experiment&, const std::string& workload) {
    std::vector<std::string> row = {workload};
    for (const PolicyKind policy : compared_policies()) {
      row.push_back(small_cell(campaign, workload, policy));
    }
    for (const PolicyKind policy : size_aware_policies()) {
      row.push_back(large_cell(campaign, workload, policy));
    }
    table.rows.push_back(std::move(row));
  });
  return table;
}

}  // namespace minos
