#include "experiment/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "experiment/summary.h"

namespace minos {
namespace {

using Figure = std::function<double(const PointResult&)>;

// From this ratio of largest to smallest on, parameters are spread evenly by their logarithm.
constexpr double kLogarithmicFrom = 8;

unsigned style_of(PolicyKind policy) {
  return static_cast<unsigned>(std::ranges::find(compared_policies(), policy) -
                               compared_policies().begin());
}

PlotSeries new_series(PolicyKind policy) {
  return {.name = std::string(name_of(policy)), .style = style_of(policy)};
}

double p99_all(const PointResult& point) {
  return point.all.p99_us;
}
double p99_large(const PointResult& point) {
  return point.large.p99_us;
}

// Of one workload: a figure over throughput or load, a line for each policy. Points of the search
// are left out: they crowd around the answer, which is in the summary.
Plot curves(const Experiment& experiment, const Workload& workload, const Campaign& campaign,
            const Axis& x, const Figure& x_of, const Axis& y,
            double (*const y_of)(const PointResult&)) {
  Plot plot{.title = workload.name, .x = x, .y = y};
  std::optional<double> mean_service_us;
  for (const PolicyKind policy : compared_policies()) {
    const Series* const series = campaign.find(workload.name, policy);
    if (series == nullptr) continue;
    plot.series.push_back(new_series(policy));
    for (const double load : experiment.loads) {
      const PointResult* const point = series->at(load);
      if (point == nullptr) continue;
      plot.series.back().points.push_back({.x = x_of(*point), .y = y_of(*point)});
      mean_service_us = point->mean_service_us;
    }
  }
  if (mean_service_us && y_of == p99_all) {
    plot.y_rule = {.value = kSloServiceTimes * *mean_service_us,
                   .label = fmt::format("{} × mean service time", kSloServiceTimes)};
  }
  fit_axes(plot);
  return plot;
}

Plot over_throughput(const Experiment& experiment, const Workload& workload,
                     const Campaign& campaign, bool large) {
  return curves(
      experiment, workload, campaign, {.label = "throughput (M requests/s)"},
      [](const PointResult& point) { return point.throughput_mops; },
      {.label = large ? "p99 of large requests (µs)" : "p99 (µs)", .logarithmic = true},
      large ? p99_large : p99_all);
}

Plot over_load(const Experiment& experiment, const Workload& workload, const Campaign& campaign) {
  return curves(
      experiment, workload, campaign, {.label = "load (% of capacity)"},
      [](const PointResult& point) { return 100 * point.load; },
      {.label = "p99 (µs)", .logarithmic = true}, p99_all);
}

Plot limits_over_parameter(const Experiment& experiment, const Campaign& campaign) {
  const auto [least, most] = std::ranges::minmax(experiment.values);
  Plot plot{.title = fmt::format("Highest throughput with p99 within {} × mean service time",
                                 kSloServiceTimes),
            .x = {.label = experiment.parameter, .logarithmic = most / least >= kLogarithmicFrom},
            .y = {.label = "throughput (M requests/s)"}};
  for (const PolicyKind policy : compared_policies()) {
    plot.series.push_back(new_series(policy));
    for (std::size_t i = 0; i < experiment.values.size(); ++i) {
      const auto limit = slo_limit(campaign, experiment.workloads[i].name, policy);
      if (limit) plot.series.back().points.push_back({experiment.values[i], limit->mops});
    }
  }
  fit_axes(plot);
  return plot;
}

// Of the only point of a series.
const PointResult* only_point(const Experiment& experiment, const Campaign& campaign,
                              PolicyKind policy) {
  const Series* const series = campaign.find(experiment.workloads.front().name, policy);
  return series == nullptr ? nullptr : series->at(experiment.loads.front());
}

using CoreCount = std::uint64_t CoreFigures::*;

double percent_of_all(const PointResult& point, std::size_t core, CoreCount count) {
  std::uint64_t sum = 0;
  for (const CoreFigures& one : point.cores) sum += one.*count;
  if (sum == 0) return 0;
  return 100 * static_cast<double>(point.cores[core].*count) / static_cast<double>(sum);
}

Plot over_cores(const Experiment& experiment, const Campaign& campaign, const std::string& what,
                CoreCount count) {
  Plot plot{.title = what + " by core",
            .x = {.label = "core", .whole = true},
            .y = {.label = "share of all (%)"},
            .kind = PlotKind::kBars};
  for (const PolicyKind policy : compared_policies()) {
    const PointResult* const point = only_point(experiment, campaign, policy);
    if (point == nullptr) continue;
    plot.series.push_back(new_series(policy));
    for (std::size_t i = 0; i < point->cores.size(); ++i) {
      plot.series.back().points.push_back(
          {static_cast<double>(i), percent_of_all(*point, i, count)});
    }
  }
  fit_axes(plot);
  return plot;
}

Plot over_time(const Experiment& experiment, const Campaign& campaign,
               std::span<const PolicyKind> policies, const std::string& title, const Axis& y,
               const std::function<double(const WindowFigures&)>& figure) {
  Plot plot{.title = title, .x = {.label = "time (ms)"}, .y = y, .kind = PlotKind::kSteps};
  for (const PolicyKind policy : policies) {
    const PointResult* const point = only_point(experiment, campaign, policy);
    if (point == nullptr) continue;
    plot.series.push_back(new_series(policy));
    double large_percent = -1;
    const bool first = plot.series.size() == 1;
    for (const WindowFigures& window : point->windows) {
      plot.series.back().points.push_back({window.start_us / 1000, figure(window)});
      if (first && window.large_percent != large_percent) {
        large_percent = window.large_percent;
        plot.x_rules.push_back(
            {.value = window.start_us / 1000, .label = fmt::format("{} %", large_percent)});
      }
    }
  }
  fit_axes(plot);
  return plot;
}

std::vector<Plot> timelines(const Experiment& experiment, const Campaign& campaign) {
  const Axis p99{.label = "p99 (µs)", .logarithmic = true};
  const Axis count{.label = "cores", .whole = true};
  const auto policies = compared_policies();
  return {over_time(experiment, campaign, policies, "p99 of all requests", p99,
                    [](const WindowFigures& window) { return window.all_p99_us; }),
          over_time(experiment, campaign, policies, "p99 of small requests", p99,
                    [](const WindowFigures& window) { return window.small_p99_us; }),
          over_time(experiment, campaign, size_aware_policies(), "Cores for large requests", count,
                    [](const WindowFigures& window) { return window.large_cores * 1.0; })};
}

Table with_policies(std::vector<std::string> columns) {
  for (const PolicyKind policy : compared_policies()) columns.emplace_back(name_of(policy));
  return {.columns = std::move(columns)};
}

std::string cell(const PointResult* point, const Figure& figure) {
  if (point == nullptr) return "–";
  return short_number(figure(*point)) + (answers(*point) ? "" : " †");
}

Table p99_by_load(const Experiment& experiment, const Campaign& campaign, const Figure& figure) {
  Table table = with_policies({"workload, load"});
  for (const Workload& workload : experiment.workloads) {
    for (const double load : experiment.loads) {
      std::vector<std::string> row = {fmt::format("{}, {:.0f} %", workload.name, 100 * load)};
      for (const PolicyKind policy : compared_policies()) {
        const Series* const series = campaign.find(workload.name, policy);
        row.push_back(cell(series == nullptr ? nullptr : series->at(load), figure));
      }
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

Table limits(const Experiment& experiment, const Campaign& campaign) {
  Table table = with_policies({experiment.parameter});
  for (std::size_t i = 0; i < experiment.values.size(); ++i) {
    std::vector<std::string> row = {fmt::format("{}", experiment.values[i])};
    for (const PolicyKind policy : compared_policies()) {
      const auto limit = slo_limit(campaign, experiment.workloads[i].name, policy);
      row.push_back(
          limit ? fmt::format("{} ({:.1f} %)", short_number(limit->mops), 100 * limit->load) : "–");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table cores(const Experiment& experiment, const Campaign& campaign) {
  Table table{.columns = {"policy, share of all (%)"}};
  for (const PolicyKind policy : compared_policies()) {
    const PointResult* const point = only_point(experiment, campaign, policy);
    if (point == nullptr) continue;
    while (table.columns.size() <= point->cores.size()) {
      table.columns.push_back(fmt::format("core {}", table.columns.size() - 1));
    }
    std::vector<std::string> requests = {fmt::format("{}: requests", name_of(policy))};
    std::vector<std::string> packets = {fmt::format("{}: packets", name_of(policy))};
    std::vector<std::string> busy = {fmt::format("{}: time with work", name_of(policy))};
    for (std::size_t i = 0; i < point->cores.size(); ++i) {
      requests.push_back(short_number(percent_of_all(*point, i, &CoreFigures::requests)));
      packets.push_back(short_number(percent_of_all(*point, i, &CoreFigures::packets)));
      busy.push_back(short_number(100 * point->cores[i].utilisation));
    }
    table.rows.insert(table.rows.end(), {std::move(requests), std::move(packets), std::move(busy)});
  }
  // Dispatchers may come on top of the cores that the other policies have.
  for (auto& row : table.rows) row.resize(table.columns.size(), "–");
  return table;
}

// Median p99 of the windows of a phase, and the large cores at its end.
std::string phase_cell(std::span<const WindowFigures> windows) {
  std::vector<double> p99;
  for (const WindowFigures& window : windows) p99.push_back(window.all_p99_us);
  if (p99.empty()) return "–";
  std::ranges::nth_element(p99, p99.begin() + static_cast<std::ptrdiff_t>(p99.size() / 2));
  return fmt::format("{} ({})", short_number(p99[p99.size() / 2]), windows.back().large_cores);
}

Table phases(const Experiment& experiment, const Campaign& campaign) {
  Table table = with_policies({"phase: p_L"});
  const std::vector<double>& percents = experiment.workloads.front().phases_large_percent;
  for (std::size_t phase = 0; phase < percents.size(); ++phase) {
    std::vector<std::string> row = {fmt::format("{}: {} %", phase + 1, percents[phase])};
    for (const PolicyKind policy : compared_policies()) {
      const PointResult* const point = only_point(experiment, campaign, policy);
      std::span<const WindowFigures> windows;
      if (point != nullptr) windows = point->windows;
      const std::size_t from = windows.size() * phase / percents.size();
      const std::size_t to = windows.size() * (phase + 1) / percents.size();
      row.push_back(phase_cell(windows.subspan(from, to - from)));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

}  // namespace

std::vector<Plot> plots_of(const Experiment& experiment, const Campaign& campaign) {
  std::vector<Plot> plots;
  switch (experiment.view) {
    case ExperimentView::kTimeline:
      return timelines(experiment, campaign);
    case ExperimentView::kCores:
      return {over_cores(experiment, campaign, "Requests", &CoreFigures::requests),
              over_cores(experiment, campaign, "Packets", &CoreFigures::packets)};
    case ExperimentView::kSweep:
      plots.push_back(limits_over_parameter(experiment, campaign));
      break;
    default:
      break;
  }
  for (const Workload& workload : experiment.workloads) {
    if (experiment.view == ExperimentView::kLoad) {
      plots.push_back(over_load(experiment, workload, campaign));
    } else {
      plots.push_back(over_throughput(experiment, workload, campaign,
                                      experiment.view == ExperimentView::kLarge));
    }
  }
  return plots;
}

Table table_of(const Experiment& experiment, const Campaign& campaign) {
  switch (experiment.view) {
    case ExperimentView::kTimeline:
      return phases(experiment, campaign);
    case ExperimentView::kCores:
      return cores(experiment, campaign);
    case ExperimentView::kSweep:
      return limits(experiment, campaign);
    case ExperimentView::kLarge:
      return p99_by_load(experiment, campaign, p99_large);
    case ExperimentView::kThroughput:
    case ExperimentView::kLoad:
      break;
  }
  return p99_by_load(experiment, campaign, p99_all);
}

}  // namespace minos
