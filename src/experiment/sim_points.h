#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "experiment/campaign.h"
#include "experiment/point.h"
#include "sim/simulation.h"

namespace minos {

// What all points of a campaign in the simulator have in common.
struct SimPointOptions {
  std::string profile = "dpdk";  // as find_cost_model() takes it
  std::uint16_t cores = 8;
  std::uint64_t requests = 1'000'000;  // measured at each point
  std::uint32_t keys = 100'000;
  std::uint32_t large_keys = 100;
  std::uint64_t seed = 1;
};

// Where p_L changes: epochs of the controller in a phase, as many as the paper's 20 s have at 1 s
// each. Both shrink alike, to a phase of so many times the requests of another point: an epoch of
// few requests would see too few large ones to tell their share.
inline constexpr std::uint64_t kEpochsPerPhase = 20;
inline constexpr std::uint64_t kPointsPerPhase = 4;
inline constexpr std::uint64_t kWindowsPerPhase = 10;

// The simulation of a point at its load; of phases at `rate_per_s` instead, the rate of that load.
// Error: no such profile.
std::expected<SimOptions, std::string> sim_options_of(const PointSpec& spec,
                                                      const SimPointOptions& options,
                                                      double rate_per_s);

// Whether the simulator takes every point of the campaign. The error names the option, its value
// and what is allowed.
std::expected<void, std::string> check_points(const Campaign& campaign,
                                              const SimPointOptions& options);

// What of a simulation's result a report shows.
PointResult point_of(const PointSpec& spec, const SimOptions& options, const SimResult& result);

// Measures points in the simulator, each in the thread that asks. `interrupted` ends a simulation
// too; it must outlive the function.
MeasurePoint simulated_points(const SimPointOptions& options, const std::atomic<bool>* interrupted);

}  // namespace minos
