#include "experiment/live_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace minos {
namespace {

constexpr std::array kLiveLoads = {0.2, 0.4, 0.6, 0.7, 0.8, 0.9};

bool any_workload(const Experiment& experiment, bool (*const is)(const Workload&)) {
  return std::ranges::any_of(experiment.workloads, is);
}

// Empty where it can be had.
std::string why_not(const Experiment& experiment) {
  if (any_workload(experiment, [](const Workload& w) { return w.ideal; })) {
    return "service times without any overhead are there in the simulator only";
  }
  if (any_workload(experiment,
                   [](const Workload& w) { return w.answered_percent < 100 || w.link_gbps > 0; })) {
    return "the server answers every request in full, and the link is what the machine has";
  }
  if (any_workload(experiment, [](const Workload& w) { return !w.phases_large_percent.empty(); })) {
    return "the load generator does not change p_L while it runs";
  }
  return {};
}

std::string why_not(PolicyKind policy, std::uint32_t cores) {
  if (policy == PolicyKind::kSoftwareHandoff && cores < 2) {
    return "one of its cores dispatches and serves nothing, and the server has only one";
  }
  return {};
}

}  // namespace

std::string_view name_of(LiveTransport transport) {
  switch (transport) {
    case LiveTransport::kUdp:
      return "udp";
    case LiveTransport::kDpdk:
      return "dpdk";
    case LiveTransport::kTcp:
      break;
  }
  return "tcp";
}

std::span<const double> live_loads() {
  return kLiveLoads;
}

LivePlan plan_live(std::vector<Experiment> experiments, std::span<const PolicyKind> policies,
                   std::uint32_t cores) {
  LivePlan plan;
  for (Experiment& experiment : experiments) {
    if (const std::string why = why_not(experiment); !why.empty()) {
      plan.left_out.push_back(
          fmt::format("The experiment {} is left out: {}.", experiment.name, why));
      continue;
    }
    if (experiment.loads.size() > 1) experiment.loads.assign(kLiveLoads.begin(), kLiveLoads.end());
    plan.experiments.push_back(std::move(experiment));
  }
  for (const PolicyKind policy : policies) {
    if (const std::string why = why_not(policy, cores); !why.empty()) {
      plan.left_out.push_back(fmt::format("The policy {} is left out: {}.", name_of(policy), why));
    } else {
      plan.policies.push_back(policy);
    }
  }
  return plan;
}

}  // namespace minos
