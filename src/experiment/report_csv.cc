#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <utility>

#include "experiment/report.h"
#include "experiment/summary.h"

namespace minos {
namespace {

using Row = std::vector<std::string>;

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.6g}", value) : "";
}

// Calls `each` with the series and points that belong to the experiment: those at its loads, and
// where it searched for the SLO, those of the search too.
template <typename Each>
void for_each_point(const Experiment& experiment, const Campaign& campaign, Each each) {
  for (const Workload& workload : experiment.workloads) {
    for (const PolicyKind policy : compared_policies()) {
      const Series* const series = campaign.find(workload.name, policy);
      if (series == nullptr) continue;
      for (const PointResult& point : series->points) {
        const bool asked =
            std::ranges::find(experiment.loads, point.load) != experiment.loads.end();
        if (asked || experiment.find_slo) each(*series, point);
      }
    }
  }
}

void add_class_columns(Row& columns, const std::string& name, bool live) {
  for (const char* const figure :
       {"count", "mean_us", "p50_us", "p99_us", "p999_us", "mean_slowdown"}) {
    columns.push_back(name + "_" + figure);
  }
  if (!live) return;
  for (const char* const figure : {"raw_p50_us", "raw_p99_us"}) {
    columns.push_back(name + "_" + figure);
  }
}

void add_class(Row& row, const ClassFigures& figures, bool live) {
  row.push_back(fmt::format("{}", figures.count));
  for (const double value :
       {figures.mean_us, figures.p50_us, figures.p99_us, figures.p999_us, figures.mean_slowdown}) {
    row.push_back(number(value));
  }
  if (!live) return;
  for (const double value : {figures.raw_p50_us, figures.raw_p99_us}) {
    row.push_back(number(value));
  }
}

double mean_utilisation(const PointResult& point) {
  double sum = 0;
  for (const CoreFigures& core : point.cores) sum += core.utilisation;
  return point.cores.empty() ? 0 : sum / static_cast<double>(point.cores.size());
}

// What a row of any file begins with.
Row begin_row(const Experiment& experiment, const Series& series, const PointResult& point) {
  return {experiment.name, series.workload.name, std::string(name_of(series.policy)),
          number(point.load)};
}

std::expected<void, std::string> write_file(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  if (!(file << text << std::flush)) return std::unexpected("cannot write " + path);
  return {};
}

}  // namespace

Table points_csv(const Experiment& experiment, const Campaign& campaign, const ReportFacts& facts) {
  Table table{.columns = {"experiment", "workload", "policy", "load", "profile", "cores", "seed",
                          "requests", "large_percent", "large_bytes_max", "large_factor",
                          "get_share", "answered_percent", "link_gbps", "capacity_mops",
                          "mean_service_us", "offered_mops", "throughput_mops", "failed"},
              .rows = {}};
  const bool live = facts.live.has_value();
  for (const char* const name : {"all", "small", "large"}) {
    add_class_columns(table.columns, name, live);
  }
  for (const char* const name :
       {"mean_utilisation", "threshold_bytes", "large_cores", "keeps_slo"}) {
    table.columns.emplace_back(name);
  }
  for_each_point(experiment, campaign, [&](const Series& series, const PointResult& point) {
    const Workload& workload = series.workload;
    const bool bimodal = workload.mix == SizeMix::kBimodal;
    Row row = begin_row(experiment, series, point);
    row.insert(
        row.end(),
        {workload.ideal ? "ideal" : facts.profile, fmt::format("{}", facts.cores),
         fmt::format("{}", facts.seed), live ? "" : fmt::format("{}", facts.requests),
         workload.phases_large_percent.empty() ? number(workload.large_percent) : "",
         bimodal ? "" : fmt::format("{}", workload.large_bytes_max),
         bimodal ? number(workload.large_factor) : "", number(workload.get_share),
         number(workload.answered_percent),
         workload.link_gbps > 0 ? number(workload.link_gbps) : "", number(point.capacity_mops),
         number(point.mean_service_us), number(point.offered_mops), number(point.throughput_mops),
         fmt::format("{}", point.failed)});
    for (const ClassFigures* const figures : {&point.all, &point.small, &point.large}) {
      add_class(row, *figures, live);
    }
    row.insert(row.end(),
               {number(mean_utilisation(point)), fmt::format("{}", point.threshold_bytes),
                fmt::format("{}", point.large_cores), keeps_slo(point) ? "1" : "0"});
    table.rows.push_back(std::move(row));
  });
  return table;
}

Table cores_csv(const Experiment& experiment, const Campaign& campaign) {
  Table table{.columns = {"experiment", "workload", "policy", "load", "core", "requests", "packets",
                          "utilisation"},
              .rows = {}};
  for_each_point(experiment, campaign, [&](const Series& series, const PointResult& point) {
    for (std::size_t i = 0; i < point.cores.size(); ++i) {
      const CoreFigures& core = point.cores[i];
      Row row = begin_row(experiment, series, point);
      row.insert(row.end(), {fmt::format("{}", i), fmt::format("{}", core.requests),
                             fmt::format("{}", core.packets), number(core.utilisation)});
      table.rows.push_back(std::move(row));
    }
  });
  return table;
}

Table windows_csv(const Experiment& experiment, const Campaign& campaign) {
  Table table{
      .columns = {"experiment", "workload", "policy", "load", "start_us", "large_percent", "count",
                  "all_p99_us", "small_p99_us", "large_p99_us", "large_cores", "threshold_bytes"},
      .rows = {}};
  for_each_point(experiment, campaign, [&](const Series& series, const PointResult& point) {
    for (const WindowFigures& window : point.windows) {
      Row row = begin_row(experiment, series, point);
      row.insert(
          row.end(),
          {number(window.start_us), number(window.large_percent), fmt::format("{}", window.count),
           number(window.all_p99_us), number(window.small_p99_us), number(window.large_p99_us),
           fmt::format("{}", window.large_cores), fmt::format("{}", window.threshold_bytes)});
      table.rows.push_back(std::move(row));
    }
  });
  return table;
}

std::expected<void, std::string> write_report(const std::string& folder,
                                              const std::vector<Experiment>& experiments,
                                              const Campaign& campaign, const ReportFacts& facts) {
  std::vector<std::pair<std::string, std::string>> files = {
      {"report.html", report_html(experiments, campaign, facts)}};
  const Table summary = summary_csv(experiments, campaign);
  if (!summary.rows.empty()) files.emplace_back("summary.csv", csv_of(summary));
  for (const Experiment& experiment : experiments) {
    files.emplace_back(experiment.name + ".csv", csv_of(points_csv(experiment, campaign, facts)));
    if (experiment.view == ExperimentView::kCores) {
      files.emplace_back(experiment.name + "_cores.csv", csv_of(cores_csv(experiment, campaign)));
    }
    if (experiment.view == ExperimentView::kTimeline) {
      files.emplace_back(experiment.name + "_windows.csv",
                         csv_of(windows_csv(experiment, campaign)));
    }
  }
  for (const auto& [name, text] : files) {
    if (const auto written = write_file(fmt::format("{}/{}", folder, name), text); !written)
      return written;
  }
  return {};
}

}  // namespace minos
