#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "experiment/observed.h"
#include "experiment/what_if.h"

namespace minos {

// A server, its load, and what was simulated of them.
struct WhatIfFacts {
  std::string address;
  ObservedServer server;
  ObservedLoad load;
  WhatIf what_if;
};

// For people and for programs.
std::string what_if_text(const WhatIfFacts& facts);
nlohmann::json what_if_json(const WhatIfFacts& facts);

}  // namespace minos
