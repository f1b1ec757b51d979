#pragma once

#include "experiment/point.h"

namespace minos {

// A made-up server whose p99 grows as 1 / (1 - load), so that results are known: under `elastic` it
// is 5 mean service times of 1 µs at half load, under the others twice that, and of large requests
// ten times as much.
inline PointResult stub_point(const PointSpec& spec) {
  constexpr double kCapacityMops = 8;
  const double factor = spec.policy == PolicyKind::kElastic ? 2.5 : 5;
  PointResult result;
  result.load = spec.load;
  result.capacity_mops = kCapacityMops;
  result.mean_service_us = 1;
  result.offered_mops = spec.load * kCapacityMops;
  result.throughput_mops = result.offered_mops;
  result.all = {.count = 1000, .mean_us = 1, .p50_us = 1, .p99_us = factor / (1 - spec.load)};
  result.small = result.all;
  result.large = {.count = 10, .p99_us = 10 * result.all.p99_us};
  for (std::uint64_t core = 0; core < 8; ++core) {
    result.cores.push_back({.utilisation = spec.load, .requests = 100 + core, .packets = 200});
  }
  const std::size_t phases = spec.workload.phases_large_percent.size();
  for (std::size_t i = 0; i < 10 * phases; ++i) {
    result.windows.push_back({.start_us = 1000.0 * static_cast<double>(i),
                              .large_percent = spec.workload.phases_large_percent[i / 10],
                              .count = 100,
                              .all_p99_us = 3,
                              .small_p99_us = 2,
                              .large_p99_us = 30,
                              .large_cores = static_cast<std::uint32_t>(1 + i / 20)});
  }
  return result;
}

}  // namespace minos
