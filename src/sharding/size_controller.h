#pragma once

#include <cstdint>
#include <optional>

#include "sharding/core_plan.h"
#include "sharding/cost.h"
#include "sharding/policy.h"
#include "sharding/size_histogram.h"

namespace minos {

struct ControllerOptions {
  PolicyKind policy = PolicyKind::kElastic;
  std::uint16_t cores = 1;
  std::uint16_t dispatchers = 1;   // of software-handoff: in [1, cores), or 1 with a single core
  double large_percentile = 99.0;  // in (0, 100): requests above this percentile of size are large
  double smoothing = 0.9;          // weight of the newest epoch, in (0, 1]
  CostUnit cost = CostUnit::kPackets;
  // The threshold is never below the bound of this size's class: values up to here gain nothing
  // from being large.
  std::uint64_t threshold_min_bytes = 0;
};

// The number of small cores stays as it is until x (see below) has left the interval that gives
// this number by more than so many cores: on TCP, a core whose role changes gives its connections
// away, and an x close to a whole number would make it do so every epoch.
inline constexpr double kRoleHysteresisCores = 0.1;

// Turns the request sizes of an epoch into the next plan (PAPER: epochs, smoothing, threshold,
// core count, size ranges). Pure: same epochs in, same plans out. One owner.
//
// With x = cores * cost(small) / cost(all), core numbers ascending:
//   key-hash and work-stealing  all kAny; the threshold only tells statistics what is large.
//   software-handoff  the first `dispatchers` kDispatcher, the others kWorker; a single core kAny.
//   size-aware  n_s = ceil(x) kSmall cores, the others kLarge; where that leaves none, the last
//               core is kStandby and owns every large size.
//   elastic     floor(x) kSmall cores, but at most all except one; the others kElastic.
// Large ranges are cut so that each carries the same cost, taking sizes as evenly spread within a
// size class. Requests of one single size are one core's all the same: a range cannot split them.
class SizeController {
 public:
  explicit SizeController(const ControllerOptions& options);

  // The plan to start with, version 0, before any request was seen: every request is small, so the
  // roles are those of x = cores: all kSmall but the last, which is kStandby or kElastic. The first
  // real plan then changes as few roles as it can.
  CorePlan initial() const;

  // Smooths the epoch's counts into the history and builds the next plan, version + 1. An epoch
  // without requests gives the content of the plan before it.
  CorePlan next(const SizeHistogram& epoch, std::uint64_t version);

 private:
  CorePlan build(std::uint64_t threshold_bytes, double small_share, std::uint16_t small) const;
  std::uint16_t small_cores(double small_share) const;
  double small_share(std::uint64_t threshold_bytes) const;
  void cut_large_ranges(CorePlan& plan) const;

  ControllerOptions options_;
  SmoothedSizes smoothed_;
  std::optional<std::uint16_t> small_cores_;  // n_s or floor(x) of the newest plan from real sizes
};

}  // namespace minos
