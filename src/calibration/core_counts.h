#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "calibration/loads.h"
#include "load/protocol.h"
#include "sim/cost_fit.h"

namespace minos {

// Numbers of one core in `stats minos`, by what follows "core:N:".
using CoreCounts = std::map<std::string, double, std::less<>>;

// Of each core, from all of the lines.
std::vector<CoreCounts> core_counts(const std::vector<std::pair<std::string, std::string>>& stats);

// What a core did and how long it took, between two looks at it under one load.
CostSample sample_between(const CoreCounts& before, const CoreCounts& after, ProtocolKind on,
                          const CalibrationLoad& load, std::uint32_t core);

}  // namespace minos
