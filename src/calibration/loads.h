#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "load/protocol.h"
#include "sharding/policy.h"
#include "sim/cost_fit.h"

// The loads that costs are fitted to: data. Each costs what it costs in other proportions.
namespace minos {

struct CalibrationServer {
  PolicyKind policy = PolicyKind::kElastic;
  std::uint16_t threads = 1;
  std::uint16_t rx_queues = 1;
};

struct CalibrationLoad {
  std::string name;
  // Of `minos load`; empty: none.
  std::vector<std::string> arguments{};
  // What is stored or asked for where it is not large; 0 where all of it is.
  std::uint32_t value_bytes = 0;
  bool set = false;
};

struct CalibrationSuite {
  CalibrationServer server;
  std::vector<CalibrationLoad> loads;
};

// "idle" only where an idle server polls. Over kernel UDP, DPDK or (memcached's) TCP.
std::vector<CalibrationSuite> calibration_suites(ProtocolKind on);

// Costs of this plane that loads do not tell apart.
std::vector<CostTie> calibration_ties(ProtocolKind on);

}  // namespace minos
