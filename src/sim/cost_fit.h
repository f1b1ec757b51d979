#pragma once

#include <array>
#include <span>
#include <string>
#include <vector>

#include "sim/cost_fields.h"
#include "sim/cost_model.h"

// Costs from measurements: what a thread's time on the CPU was spent on, by what it did meanwhile.
namespace minos {

// One thread under one load, for a while.
struct CostSample {
  std::string load;
  std::uint32_t core = 0;
  double cpu_ns = 0;  // above 0
  double requests = 0;
  double idle_steps = 0;  // among the steps: took nothing, did nothing
  double rests = 0;       // times that it slept, or offered its CPU to others
  // How often the simulator would charge each of kCostFields.
  std::array<double, kCostFieldCount> counts{};
};

// Costs that no load tells apart, kept in the proportion that they have in the profile to start
// from.
using CostTie = std::vector<double CostModel::*>;

struct CostFit {
  CostModel costs;
  // Where no sample has any of it, a cost is that of the profile to start from.
  std::array<bool, kCostFieldCount> seen{};
  // That a step in vain takes longer: there is time for the store's background work. Of no use to a
  // simulator, which skips such steps.
  double idle_step_ns = 0;
  // Of each core; what it takes depends on who else wants its CPU. Of no use to a simulator.
  std::vector<double> rest_ns{};
  std::vector<double> fitted_ns{};  // of each sample
  double error = 0;                 // root of the mean square of fitted / measured - 1
};

// The least squares of relative errors, with no cost below 0. `samples` is not empty.
CostFit fit_costs(std::span<const CostSample> samples, const CostModel& start,
                  std::span<const CostTie> ties);

// What these costs make of each sample; cores that the fit has not seen are as its last.
std::vector<double> fitted_times(std::span<const CostSample> samples, const CostFit& fit);

// Of the samples of each load and core the one at the lower quartile of measured time over fitted
// time: pauses of the machine, and spells in which it is slow, only ever add. In the order in which
// loads first come.
std::vector<CostSample> quick_samples(std::span<const CostSample> samples, const CostFit& fit);

}  // namespace minos
