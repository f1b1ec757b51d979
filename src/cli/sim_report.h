#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "sim/simulation.h"

namespace minos {

// What a simulation came to, for people and for programs.
std::string sim_report_text(const SimOptions& options, const SimResult& result);
nlohmann::json sim_report_json(const SimOptions& options, const SimResult& result);

}  // namespace minos
