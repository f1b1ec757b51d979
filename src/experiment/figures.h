#pragma once

#include <vector>

#include "experiment/campaign.h"
#include "experiment/plot.h"
#include "experiment/table.h"

namespace minos {

// The plots of an experiment, as far as its points were measured.
std::vector<Plot> plots_of(const Experiment& experiment, const Campaign& campaign);

// Its table for people.
Table table_of(const Experiment& experiment, const Campaign& campaign);

}  // namespace minos
