#pragma once

#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sim/cost_fit.h"

namespace minos {

// A fit, and what it was made from: samples in the order of fit.fitted_ns.
struct Calibration {
  CostModel built_in;
  std::vector<CostSample> samples;
  CostFit fit;
  bool cache_line_measured = false;  // by itself, and not fitted
  // With two CPUs a worker that polls shares one with the client, and what is fitted to a hop is
  // the switch between them: then the hop is counted in cache lines instead.
  bool rings_by_lines = false;
  std::vector<CostTie> ties;
};

// For people: costs beside those built in, then every load with its error.
std::string calibration_text(const Calibration& calibration);

// For programs. Its "profile" is what parse_cost_profile() reads.
nlohmann::ordered_json calibration_json(const Calibration& calibration);

}  // namespace minos
