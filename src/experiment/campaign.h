#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"
#include "experiment/catalogue.h"
#include "experiment/point.h"

namespace minos {

// How close a search comes to the highest load that keeps the SLO, as a share of capacity.
inline constexpr double kSloResolution = 0.005;

// One workload under one policy: all that the experiments of a campaign want to know of it.
struct Series {
  Workload workload{};
  PolicyKind policy = PolicyKind::kElastic;
  std::vector<double> loads{};  // ascending
  bool find_slo = false;

  // Results, by ascending load; loads of the search among them.
  std::vector<PointResult> points{};
  // The highest load that was seen to keep the SLO, 0 if none; nothing before it is known.
  std::optional<double> slo_load{};
  std::string error{};  // why it ended early; empty where it did not, or was interrupted

  // The point at that load; null if it was not measured.
  const PointResult* at(double load) const;
};

struct Campaign {
  std::vector<Series> series{};

  // Null if the campaign has no such series.
  const Series* find(const std::string& workload, PolicyKind policy) const;
};

// Each series that any of the experiments needs, once, with the loads of all of them.
Campaign plan_campaign(std::span<const Experiment> experiments,
                       std::span<const PolicyKind> policies = compared_policies());

struct CampaignProgress {
  std::uint64_t done = 0;  // points; those that a search turned out not to need count as done
  std::uint64_t total = 0;
  Nanos elapsed{0};
};

struct CampaignHooks {
  // Called by the thread that runs the campaign, a few times a second. May be empty.
  std::function<void(const CampaignProgress&)> progress;
  const std::atomic<bool>* interrupted = nullptr;  // no further point once true; may be null
};

// Measures everything, one series after another on each of `jobs` threads. What is measured does
// not depend on their number. False: interrupted, or a series has an error; what was done is kept.
bool run_campaign(Campaign& campaign, const MeasurePoint& measure, unsigned jobs,
                  const CampaignHooks& hooks);

// Measures workload by workload and load by load, all policies at once, on the calling thread. The
// highest load that keeps the SLO is one of those given: nothing is searched. An error or an
// interrupt ends it all, and what was done is kept.
bool run_side_by_side(Campaign& campaign, const MeasureSideBySide& measure,
                      const CampaignHooks& hooks);

}  // namespace minos
