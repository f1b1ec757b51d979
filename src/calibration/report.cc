#include "calibration/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "sim/cost_profile.h"

namespace minos {

namespace {

std::size_t load_count(const Calibration& calibration) {
  std::set<std::string_view> names;
  for (const CostSample& sample : calibration.samples) names.insert(sample.load);
  return names.size();
}

// How a cost was come by.
std::string origin_of(const Calibration& calibration, std::size_t field) {
  double CostModel::* const cost = kCostFields[field].cost;
  if (cost == &CostModel::cache_line_ns) {
    return calibration.cache_line_measured ? "measured by itself" : "built in";
  }
  if (calibration.rings_by_lines &&
      (cost == &CostModel::ring_out_ns || cost == &CostModel::ring_in_ns)) {
    return "in cache lines: too few CPUs to see a hop alone";
  }
  if (!calibration.fit.seen[field]) return "built in: no load has any";
  for (const CostTie& tie : calibration.ties) {
    if (std::ranges::find(tie, cost) == tie.end()) continue;
    std::string out = "fitted, in proportion to";
    for (double CostModel::* const other : tie) {
      if (other != cost) out += fmt::format(" {}", kCostFields[index_of(other)].name);
    }
    return out;
  }
  return "fitted";
}

// What a load's time is divided by: its requests, or rounds where there are none.
std::pair<double, std::string_view> unit_of(const CostSample& sample) {
  const double steps = sample.counts[index_of(&CostModel::step_ns)];
  if (sample.requests > 0.01 * steps) return {sample.requests, "request"};
  return {std::max(steps, 1.0), "round"};
}

double error_percent(const Calibration& calibration, std::size_t sample) {
  return 100 * (calibration.fit.fitted_ns[sample] / calibration.samples[sample].cpu_ns - 1);
}

}  // namespace

std::string calibration_text(const Calibration& calibration) {
  const CostFit& fit = calibration.fit;
  std::string out = fmt::format("{:18}{:>10}{:>10}  {:30} {}\n", "nanoseconds", "fitted",
                                "built in", "of", "how");
  for (std::size_t i = 0; i < kCostFieldCount; ++i) {
    const CostField& field = kCostFields[i];
    out += fmt::format("{:18}{:>10.4g}{:>10.4g}  {:30} {}\n", field.name, fit.costs.*field.cost,
                       calibration.built_in.*field.cost, field.what, origin_of(calibration, i));
  }
  out += fmt::format("{:18}{:>10.4g}{:>10}  {:30} {}\n", "(idle step)", fit.idle_step_ns, "",
                     "a step in vain, besides", "fitted; no part of a profile");
  for (std::size_t core = 0; core < fit.rest_ns.size(); ++core) {
    out += fmt::format("{:18}{:>10.4g}{:>10}  {:30} {}\n", "(a rest)", fit.rest_ns[core], "",
                       fmt::format("asleep, or offered, worker {}", core),
                       "fitted; no part of a profile");
  }
  out += '\n';
  out += fmt::format("{:42}{:>6}{:>13}{:>12}{:>10}\n", "load", "worker", "measured ns", "fitted ns",
                     "error");
  for (std::size_t i = 0; i < calibration.samples.size(); ++i) {
    const CostSample& sample = calibration.samples[i];
    const auto [units, unit] = unit_of(sample);
    out += fmt::format("{:42}{:>6}{:>13.1f}{:>12.1f}{:>8.1f} %  per {}\n", sample.load, sample.core,
                       sample.cpu_ns / units, fit.fitted_ns[i] / units,
                       error_percent(calibration, i), unit);
  }
  out += fmt::format("{} loads, error {:.1f} % (root mean square)\n", load_count(calibration),
                     100 * fit.error);
  return out;
}

nlohmann::ordered_json calibration_json(const Calibration& calibration) {
  const CostFit& fit = calibration.fit;
  nlohmann::ordered_json out;
  out["profile"] = cost_profile_json(fit.costs);
  out["built_in"] = cost_profile_json(calibration.built_in);
  nlohmann::ordered_json& how = out["how"] = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < kCostFieldCount; ++i) {
    how[kCostFields[i].name] = origin_of(calibration, i);
  }
  out["idle_step_ns"] = fit.idle_step_ns;
  out["rest_ns"] = fit.rest_ns;
  out["error_percent"] = 100 * fit.error;
  out["load_count"] = load_count(calibration);
  nlohmann::ordered_json& loads = out["loads"] = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < calibration.samples.size(); ++i) {
    const CostSample& sample = calibration.samples[i];
    nlohmann::ordered_json& row = loads.emplace_back();
    row["load"] = sample.load;
    row["core"] = sample.core;
    row["requests"] = sample.requests;
    row["measured_ns"] = sample.cpu_ns;
    row["fitted_ns"] = fit.fitted_ns[i];
    row["error_percent"] = error_percent(calibration, i);
    row["idle_steps"] = sample.idle_steps;
    row["rests"] = sample.rests;
    nlohmann::ordered_json& counts = row["counts"] = nlohmann::ordered_json::object();
    for (std::size_t f = 0; f < kCostFieldCount; ++f) {
      counts[kCostFields[f].name] = sample.counts[f];
    }
  }
  return out;
}

}  // namespace minos
