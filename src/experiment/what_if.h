#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiment/campaign.h"
#include "experiment/point.h"
#include "sim/simulation.h"

// One workload at one rate, under each policy and with other core counts, thresholds and quanta.
namespace minos {

// What may differ from the present.
struct WhatIfVariant {
  PolicyKind policy = PolicyKind::kElastic;
  std::uint16_t cores = 1;
  double large_percentile = 99;
  std::uint32_t quantum_packets = 0;

  friend bool operator==(const WhatIfVariant&, const WhatIfVariant&) = default;
};

struct WhatIfPoint {
  WhatIfVariant variant;
  bool overloaded = false;  // more comes than the cores or the link can do: not simulated
  PointResult result{};     // of an overloaded one, what needs no simulation

  // Answered, with p99 within the SLO.
  bool fine() const { return !overloaded && keeps_slo(result); }
};

struct WhatIf {
  SimOptions base;  // with a rate
  // Of the workload: what a request costs a core, and what the link carries; 0: without limit.
  double mean_service_us = 0;
  double link_mops = 0;
  WhatIfVariant present;
  std::vector<std::uint16_t> cores;   // ascending, the present number among them
  std::vector<double> percentiles;    // the same
  std::vector<std::uint32_t> quanta;  // the same
  std::vector<WhatIfPoint> points;    // each variant once

  // Null if it was not asked for.
  const WhatIfPoint* find(const WhatIfVariant& variant) const;
  const WhatIfPoint* find(PolicyKind policy, std::uint16_t cores) const;
  const WhatIfPoint& now() const { return *find(present); }

  // Whatever the cores are.
  bool link_overloaded() const { return link_mops != 0 && base.rate_per_s / 1e6 >= link_mops; }
  // What so many cores can do on that link.
  double capacity_mops(std::uint16_t cores) const;

  // With the present number of cores, the least p99 of small requests (of all, where none is small)
  // that keeps up with the load. Null if none does.
  const WhatIfPoint* best() const;
  // The fewest cores, of 1 to the most asked for, that keep the SLO; nothing if none does. What is
  // between two numbers that were asked for is looked up where the lower one breaks it and the
  // higher one keeps it.
  std::optional<std::uint16_t> least_cores(PolicyKind policy) const;
};

// p99 of a point's small requests, or of all where none is small.
double small_p99_us(const PointResult& result);

// What is to be asked about a server that is as `base` says: 1, 2, 4, ... cores up to four times
// as many, but 128 at most; large from the percentiles 95, 99 and 99.9 on; quanta of 4 to 64
// packets. With `rate_per_s` 0 it is `load` of the capacity. Error: of check_sim_options().
std::expected<WhatIf, std::string> plan_what_if(const SimOptions& base);

// Simulates everything on `jobs` threads; results do not depend on their number. False:
// interrupted.
bool run_what_if(WhatIf& what_if, unsigned jobs, const CampaignHooks& hooks);

// The answer in a sentence or two.
std::string what_if_sentence(const WhatIf& what_if);

}  // namespace minos
