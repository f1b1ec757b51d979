#include "experiment/live_points.h"

#include <algorithm>

#include "base/check.h"

namespace minos {
namespace {

constexpr double kTrySeconds = 0.4;
// Of an open loop's requests that must be answered within it.
constexpr double kServedShare = 0.98;
// The range that is searched, as a share of a closed loop's throughput.
constexpr double kSearchLow = 0.25;
constexpr double kSearchHigh = 1.25;
constexpr int kHalvings = 6;
constexpr int kTries = 2;

template <typename Of>
double median(std::span<const PointResult> turns, Of of) {
  std::vector<double> values;
  values.reserve(turns.size());
  for (const PointResult& turn : turns) values.push_back(of(turn));
  // NaN has no order, but what is not known is not known in any turn.
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

ClassFigures median_of_class(std::span<const PointResult> turns, ClassFigures PointResult::* of) {
  ClassFigures out;
  for (const PointResult& turn : turns) out.count += (turn.*of).count;
  for (double ClassFigures::* const figure :
       {&ClassFigures::mean_us, &ClassFigures::p50_us, &ClassFigures::p99_us,
        &ClassFigures::p999_us, &ClassFigures::mean_slowdown, &ClassFigures::raw_p50_us,
        &ClassFigures::raw_p99_us}) {
    out.*figure = median(turns, [&](const PointResult& turn) { return turn.*of.*figure; });
  }
  return out;
}

std::expected<bool, SideBySideError> serves(LiveServers& servers, PolicyKind policy,
                                            double rate_per_s) {
  for (int i = 0; i < kTries; ++i) {
    const auto result = servers.load(policy, {.rate_per_s = rate_per_s, .seconds = kTrySeconds});
    if (!result) return std::unexpected(result.error());
    if (answers(*result) && result->throughput_mops * 1e6 >= kServedShare * rate_per_s) return true;
  }
  return false;
}

}  // namespace

std::expected<double, SideBySideError> find_capacity(LiveServers& servers,
                                                     std::span<const PolicyKind> policies) {
  PolicyKind fastest = policies.front();
  double most_per_s = 0;
  for (const PolicyKind policy : policies) {
    const auto result = servers.load(policy, {.rate_per_s = {}, .seconds = kTrySeconds});
    if (!result) return std::unexpected(result.error());
    if (result->throughput_mops * 1e6 <= most_per_s) continue;
    most_per_s = result->throughput_mops * 1e6;
    fastest = policy;
  }
  if (most_per_s == 0) {
    return std::unexpected(SideBySideError{fastest, "not one request was answered"});
  }
  double low = kSearchLow * most_per_s;
  double high = kSearchHigh * most_per_s;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    const auto served = serves(servers, fastest, middle);
    if (!served) return std::unexpected(served.error());
    (*served ? low : high) = middle;
  }
  return low;
}

std::vector<PolicyKind> order_of_turn(std::span<const PolicyKind> policies, std::uint32_t turn) {
  std::vector<PolicyKind> order(policies.begin(), policies.end());
  if (order.empty()) return order;
  std::ranges::rotate(order, order.begin() + static_cast<std::ptrdiff_t>(turn % order.size()));
  return order;
}

PointResult median_of_turns(std::span<const PointResult> turns) {
  CHECK(!turns.empty());
  PointResult out = turns.back();
  for (double PointResult::* const figure :
       {&PointResult::offered_mops, &PointResult::throughput_mops}) {
    out.*figure = median(turns, [&](const PointResult& turn) { return turn.*figure; });
  }
  for (ClassFigures PointResult::* const of :
       {&PointResult::all, &PointResult::small, &PointResult::large}) {
    out.*of = median_of_class(turns, of);
  }
  for (const PointResult& turn : turns.first(turns.size() - 1)) {
    out.failed += turn.failed;
    for (std::size_t i = 0; i < std::min(out.cores.size(), turn.cores.size()); ++i) {
      out.cores[i].requests += turn.cores[i].requests;
      out.cores[i].packets += turn.cores[i].packets;
    }
  }
  return out;
}

std::expected<void, SideBySideError> LivePoints::begin(const Workload& workload,
                                                       std::span<const PolicyKind> policies) {
  workload_.reset();
  if (auto started = servers_.start(workload, policies); !started) return started;
  const auto capacity = find_capacity(servers_, policies);
  if (!capacity) return std::unexpected(capacity.error());
  capacity_per_s_ = *capacity;
  workload_ = workload;
  return {};
}

std::expected<std::vector<PointResult>, SideBySideError> LivePoints::measure(
    const Workload& workload, double load, std::span<const PolicyKind> policies) {
  if (workload_ != workload) {
    if (auto begun = begin(workload, policies); !begun) return std::unexpected(begun.error());
  }
  const LiveLoad slice = {.rate_per_s = load * capacity_per_s_, .seconds = options_.turn_seconds};
  std::vector<std::vector<PointResult>> turns(policies.size());
  for (std::uint32_t turn = 0; turn < options_.turns; ++turn) {
    for (const PolicyKind policy : order_of_turn(policies, turn)) {
      auto result = servers_.load(policy, slice);
      if (!result) return std::unexpected(result.error());
      const auto index = std::ranges::find(policies, policy) - policies.begin();
      turns[static_cast<std::size_t>(index)].push_back(std::move(*result));
    }
  }
  std::vector<PointResult> points;
  for (const std::vector<PointResult>& of_policy : turns) {
    points.push_back(median_of_turns(of_policy));
    points.back().load = load;
    points.back().capacity_mops = capacity_per_s_ / 1e6;
    points.back().mean_service_us = 1e6 * options_.cores / capacity_per_s_;
  }
  return points;
}

}  // namespace minos
