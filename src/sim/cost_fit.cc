#include "sim/cost_fit.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "base/check.h"
#include "sim/least_squares.h"

namespace minos {

namespace {

// One unknown: a cost, or several in proportion.
struct Unknown {
  std::array<double, kCostFieldCount> weights{};

  double count(const CostSample& sample) const {
    return std::inner_product(weights.begin(), weights.end(), sample.counts.begin(), 0.0);
  }
};

std::vector<Unknown> unknowns(const CostModel& start, std::span<const CostTie> ties) {
  std::array<bool, kCostFieldCount> tied{};
  std::vector<Unknown> out;
  for (const CostTie& tie : ties) {
    Unknown& unknown = out.emplace_back();
    for (double CostModel::* const cost : tie) {
      const std::size_t at = index_of(cost);
      CHECK(!tied[at] && start.*cost > 0);
      tied[at] = true;
      unknown.weights[at] = start.*cost;
    }
  }
  for (std::size_t i = 0; i < kCostFieldCount; ++i) {
    if (!tied[i]) out.emplace_back().weights[i] = 1;
  }
  return out;
}

}  // namespace

CostFit fit_costs(std::span<const CostSample> samples, const CostModel& start,
                  std::span<const CostTie> ties) {
  CHECK(!samples.empty());
  const std::vector<Unknown> all = unknowns(start, ties);
  const std::size_t cores = 1 + std::ranges::max(samples, {}, &CostSample::core).core;
  const std::size_t columns = all.size() + 1 + cores;
  std::vector<double> rows;
  for (const CostSample& sample : samples) {
    for (const Unknown& unknown : all) rows.push_back(unknown.count(sample) / sample.cpu_ns);
    rows.push_back(sample.idle_steps / sample.cpu_ns);
    for (std::size_t core = 0; core < cores; ++core) {
      rows.push_back(core == sample.core ? sample.rests / sample.cpu_ns : 0);
    }
  }
  const std::vector<double> right(samples.size(), 1);
  const std::vector<double> x = non_negative_least_squares(rows, right, columns);

  CostFit fit{.costs = start};
  fit.idle_step_ns = x[all.size()];
  fit.rest_ns.assign(x.end() - static_cast<std::ptrdiff_t>(cores), x.end());
  for (std::size_t i = 0; i < kCostFieldCount; ++i) {
    fit.seen[i] = std::ranges::any_of(
        samples, [i](const CostSample& sample) { return sample.counts[i] > 0; });
    if (!fit.seen[i]) continue;
    double cost = 0;
    for (std::size_t j = 0; j < all.size(); ++j) cost += all[j].weights[i] * x[j];
    fit.costs.*kCostFields[i].cost = cost;
  }
  fit.fitted_ns = fitted_times(samples, fit);
  double squares = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const double off = fit.fitted_ns[i] / samples[i].cpu_ns - 1;
    squares += off * off;
  }
  fit.error = std::sqrt(squares / static_cast<double>(samples.size()));
  return fit;
}

std::vector<double> fitted_times(std::span<const CostSample> samples, const CostFit& fit) {
  std::vector<double> out;
  for (const CostSample& sample : samples) {
    const std::size_t core = std::min<std::size_t>(sample.core, fit.rest_ns.size() - 1);
    double ns = sample.idle_steps * fit.idle_step_ns + sample.rests * fit.rest_ns[core];
    for (std::size_t i = 0; i < kCostFieldCount; ++i) {
      ns += sample.counts[i] * (fit.costs.*kCostFields[i].cost);
    }
    out.push_back(ns);
  }
  return out;
}

std::vector<CostSample> quick_samples(std::span<const CostSample> samples, const CostFit& fit) {
  std::vector<CostSample> out;
  std::vector<bool> taken(samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (taken[i]) continue;
    std::vector<std::size_t> alike;
    for (std::size_t j = i; j < samples.size(); ++j) {
      if (samples[j].load != samples[i].load || samples[j].core != samples[i].core) continue;
      alike.push_back(j);
      taken[j] = true;
    }
    const auto ratio = [&](std::size_t at) { return samples[at].cpu_ns / fit.fitted_ns[at]; };
    std::ranges::sort(alike, {}, ratio);
    out.push_back(samples[alike[(alike.size() - 1) / 4]]);
  }
  return out;
}

}  // namespace minos
