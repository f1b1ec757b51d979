#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

#include "load/protocol.h"
#include "sim/cost_fit.h"

namespace minos {

struct MeasureOptions {
  ProtocolKind on = ProtocolKind::kDpdk;  // kMemcached, kUdp or kDpdk
  std::string minosd;                     // paths
  std::string minos;
  double seconds = 1;  // that each load is measured, after it has begun
  // Worker i of a server runs on server_cpus[i]; there are two, which may be the same.
  std::vector<std::uint32_t> server_cpus{};
  std::uint32_t client_cpu = 0;
};

struct MeasureHooks {
  // Before each load, and once with done == total. May be empty.
  std::function<void(std::size_t done, std::size_t total)> progress{};
  const std::atomic<bool>* interrupted = nullptr;
};

// Starts servers, plays every load of calibration_suites() at them, and reads what their threads
// did and how long that took, slice by slice. Takes a few seconds for each load. Errors: sentences.
std::expected<std::vector<CostSample>, std::string> measure_costs(const MeasureOptions& options,
                                                                  const MeasureHooks& hooks);

}  // namespace minos
