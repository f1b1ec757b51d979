#pragma once

#include <expected>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "sim/cost_model.h"

// Cost profiles as JSON: an object with "name" and every name of kCostFields, in nanoseconds.
namespace minos {

nlohmann::ordered_json cost_profile_json(const CostModel& costs);

// `text` is such an object, or one whose member "profile" is, as `minos calibrate --json` prints.
// The error names the field that is missing, not known, or not a number of 0 to 1e9.
std::expected<CostModel, std::string> parse_cost_profile(std::string_view text);

// A profile by its name, as cost_model_named(); one that ends in ".json" is a file to be read.
std::expected<CostModel, std::string> find_cost_model(const std::string& profile);

}  // namespace minos
