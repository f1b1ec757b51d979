#pragma once

#include <string>

#include <nlohmann/json_fwd.hpp>

#include "load/generator.h"
#include "load/options.h"

namespace minos {

// For people: a table by size class, times in µs.
std::string load_report_text(const LoadOptions& options, const LoadReport& report);

// For programs; docs/load.md describes every field.
nlohmann::ordered_json load_report_json(const LoadOptions& options, const LoadReport& report);

}  // namespace minos
