#pragma once

#include <optional>
#include <string>
#include <vector>

#include "experiment/campaign.h"
#include "experiment/table.h"

namespace minos {

// The highest load found to keep the SLO.
struct SloLimit {
  double load = 0;  // share of capacity, 0 where no load keeps it
  double mops = 0;  // throughput there
};

// A workload's figure under some policy over that of the best size-unaware one.
struct AgainstUnaware {
  double ratio = 0;
  PolicyKind unaware = PolicyKind::kKeyHash;  // the best of them
  double load = 0;
};

// Nothing where it is not known, or not yet.
std::optional<SloLimit> slo_limit(const Campaign& campaign, const std::string& workload,
                                  PolicyKind policy);

// Throughput at the SLO under `policy`, as a multiple of the best size-unaware policy's.
std::optional<AgainstUnaware> throughput_ratio(const Campaign& campaign,
                                               const std::string& workload, PolicyKind policy);

// Of all `loads`, the one where p99 of the best size-unaware policy is the greatest multiple of
// `policy`'s. Loads at which one of them fails requests do not count.
std::optional<AgainstUnaware> p99_ratio(const Campaign& campaign, const Experiment& experiment,
                                        const std::string& workload, PolicyKind policy);

// One row for each workload of the experiments that are summarised: limits, and both ratios.
Table summary_table(const std::vector<Experiment>& experiments, const Campaign& campaign);

// The same for programs: one row for each workload and policy.
Table summary_csv(const std::vector<Experiment>& experiments, const Campaign& campaign);

// What it costs and brings small and large requests: p99 of small ones at 90 % load in mean service
// times, and of large ones at 80 % as a multiple of the best size-unaware policy's.
Table classes_table(const std::vector<Experiment>& experiments, const Campaign& campaign);

// A figure as people read it: three digits, no exponent.
std::string short_number(double value);

}  // namespace minos
