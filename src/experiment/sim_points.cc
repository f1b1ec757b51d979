#include "experiment/sim_points.h"

#include <algorithm>
#include <cmath>

#include "sim/cost_profile.h"

namespace minos {
namespace {

// Of the ideal service times: 1 µs a small request, so that times read as multiples of it.
constexpr double kIdealPacketNs = 1000;
constexpr double kWarmupPercent = 10;

ClassFigures figures_of(const SimLatency& latency) {
  return {.count = latency.count,
          .mean_us = latency.mean_us,
          .p50_us = latency.p50_us,
          .p99_us = latency.p99_us,
          .p999_us = latency.p999_us,
          .mean_slowdown = latency.mean_slowdown};
}

double micros_of(Nanos time) {
  return static_cast<double>(time.count()) / 1000;
}

Nanos phase_length(const SimPointOptions& options, double rate_per_s) {
  const auto requests = static_cast<double>(kPointsPerPhase * options.requests);
  return Nanos(std::llround(1e9 * requests / rate_per_s));
}

// The first phase is also that of the warm-up.
void set_phases(SimOptions& sim, const std::vector<double>& percents,
                const SimPointOptions& options, double rate_per_s) {
  const Nanos length = phase_length(options, rate_per_s);
  const std::uint64_t count = percents.size();
  sim.rate_per_s = rate_per_s;
  sim.requests = kPointsPerPhase * options.requests * count;
  sim.epoch = std::max<Nanos>(length / kEpochsPerPhase, micros(10));
  sim.timeline_every = std::max<Nanos>(length / kWindowsPerPhase, micros(10));
  const double run_ns = static_cast<double>(length.count()) * static_cast<double>(count);
  const Nanos warmup(std::llround(run_ns * kWarmupPercent / 100));
  for (std::uint64_t i = 0; i < count; ++i) {
    const Nanos at = i == 0 ? Nanos(0) : warmup + length * static_cast<std::int64_t>(i);
    sim.phases.push_back({.at = at, .large_percent = percents[i]});
  }
}

std::vector<WindowFigures> windows_of(const SimOptions& options, const SimResult& result) {
  std::vector<WindowFigures> windows;
  const double measured_us = 1e6 * static_cast<double>(options.requests) / options.rate_per_s;
  const double warmup_us = measured_us * options.warmup_percent / 100;
  const double window_us = micros_of(options.timeline_every);
  for (const SimPoint& point : result.timeline) {
    const double start_us = micros_of(point.until) - window_us;
    // Windows are not cut where the warm-up ends; and none for replies after the last request.
    if (start_us < warmup_us - window_us / 2 ||
        start_us > warmup_us + measured_us - window_us / 2) {
      continue;
    }
    double large_percent = options.large_percent;
    for (const SimPhase& phase : options.phases) {
      if (micros_of(phase.at) <= start_us + window_us / 2) large_percent = phase.large_percent;
    }
    windows.push_back({.start_us = std::max(start_us - warmup_us, 0.0),
                       .large_percent = large_percent,
                       .count = point.requests,
                       .all_p99_us = point.p99_us,
                       .small_p99_us = point.small_p99_us,
                       .large_p99_us = point.large_p99_us,
                       .large_cores = point.large_cores,
                       .threshold_bytes = point.threshold_bytes});
  }
  return windows;
}

bool interrupted_now(const std::atomic<bool>* interrupted) {
  return interrupted != nullptr && interrupted->load(std::memory_order_relaxed);
}

// The rate of a load depends on the capacity, which a run of a single request tells.
std::expected<double, std::string> rate_of(const PointSpec& spec, const SimPointOptions& options) {
  PointSpec steady = spec;
  const std::vector<double>& percents = spec.workload.phases_large_percent;
  steady.workload.large_percent = *std::ranges::max_element(percents);
  steady.workload.phases_large_percent.clear();
  auto sim = sim_options_of(steady, options, 0);
  if (!sim) return std::unexpected(sim.error());
  sim->requests = 1;
  sim->warmup_percent = 0;
  if (const auto checked = check_sim_options(*sim); !checked) {
    return std::unexpected(checked.error());
  }
  return 1e6 * spec.load * simulate(*sim).capacity_mops;
}

}  // namespace

std::expected<SimOptions, std::string> sim_options_of(const PointSpec& spec,
                                                      const SimPointOptions& options,
                                                      double rate_per_s) {
  const Workload& workload = spec.workload;
  const auto costs = find_cost_model(workload.ideal ? "ideal" : options.profile);
  if (!costs) return std::unexpected("--profile: " + costs.error());
  SimOptions sim;
  sim.policy = spec.policy;
  sim.cores = options.cores;
  sim.costs = *costs;
  if (workload.ideal) {
    sim.costs.fixed_ns = 0;
    sim.costs.packet_ns = kIdealPacketNs;
  }
  sim.load = spec.load;
  const bool bimodal = workload.mix == SizeMix::kBimodal;
  sim.sizes = bimodal ? SimSizes::kBimodal : SimSizes::kTrimodal;
  sim.large_percent = workload.large_percent;
  sim.large_bytes_max = workload.large_bytes_max;
  sim.large_factor = static_cast<std::uint32_t>(workload.large_factor);
  sim.get_ratio = workload.get_share;
  sim.answered_percent = workload.answered_percent;
  sim.link_gbit_s = workload.link_gbps;
  sim.keys = options.keys;
  sim.large_keys = options.large_keys;
  sim.requests = options.requests;
  sim.warmup_percent = kWarmupPercent;
  sim.seed = options.seed;
  if (!workload.phases_large_percent.empty()) {
    set_phases(sim, workload.phases_large_percent, options, rate_per_s);
  }
  return sim;
}

std::expected<void, std::string> check_points(const Campaign& campaign,
                                              const SimPointOptions& options) {
  constexpr double kAnyRate = 1e6;
  for (const Series& series : campaign.series) {
    for (const double load : series.loads) {
      const auto sim = sim_options_of(
          {.workload = series.workload, .policy = series.policy, .load = load}, options, kAnyRate);
      if (!sim) return std::unexpected(sim.error());
      if (const auto checked = check_sim_options(*sim); !checked) return checked;
    }
  }
  return {};
}

PointResult point_of(const PointSpec& spec, const SimOptions& options, const SimResult& result) {
  PointResult point{.load = spec.load,
                    .offered_mops = result.offered_mops,
                    .throughput_mops = result.throughput_mops,
                    .capacity_mops = result.capacity_mops,
                    .mean_service_us = result.mean_service_us,
                    .all = figures_of(result.all),
                    .small = figures_of(result.small),
                    .large = figures_of(result.large),
                    .failed = result.lost + result.busy + result.missed + result.unanswered};
  if (!result.plans.empty()) {
    const SimPlan& last = result.plans.back();
    point.threshold_bytes = last.threshold_bytes;
    point.large_cores = static_cast<std::uint32_t>(std::ranges::count_if(last.roles, owns_large));
  }
  for (const SimCore& core : result.cores) {
    point.cores.push_back({.utilisation = core.utilisation,
                           .requests = core.requests,
                           .packets = core.packets_in + core.packets_out});
  }
  if (!options.phases.empty()) point.windows = windows_of(options, result);
  return point;
}

MeasurePoint simulated_points(const SimPointOptions& options,
                              const std::atomic<bool>* interrupted) {
  return [options, interrupted](const PointSpec& spec) -> std::expected<PointResult, std::string> {
    double rate_per_s = 0;
    if (!spec.workload.phases_large_percent.empty()) {
      const auto rate = rate_of(spec, options);
      if (!rate) return std::unexpected(rate.error());
      rate_per_s = *rate;
    }
    auto sim = sim_options_of(spec, options, rate_per_s);
    if (!sim) return std::unexpected(sim.error());
    if (const auto checked = check_sim_options(*sim); !checked) {
      return std::unexpected(checked.error());
    }
    sim->progress = [interrupted](std::uint64_t, std::uint64_t) {
      return !interrupted_now(interrupted);
    };
    const SimResult result = simulate(*sim);
    if (interrupted_now(interrupted)) return std::unexpected("");
    return point_of(spec, *sim, result);
  };
}

}  // namespace minos
