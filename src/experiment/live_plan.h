#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "experiment/catalogue.h"

namespace minos {

// How a real server is reached.
enum class LiveTransport : std::uint8_t { kUdp, kDpdk, kTcp };

std::string_view name_of(LiveTransport transport);

// Loads of experiments whose point is more than one of them: a search would take points whose noise
// no other policy has.
std::span<const double> live_loads();

// What of some experiments a real server of this machine can be asked.
struct LivePlan {
  std::vector<Experiment> experiments{};
  std::vector<PolicyKind> policies{};
  std::vector<std::string> left_out{};  // a sentence for each thing that it cannot
};

// Loads are live_loads(), or those of an experiment that has only one. `cores` of the server.
LivePlan plan_live(std::vector<Experiment> experiments, std::span<const PolicyKind> policies,
                   std::uint32_t cores);

}  // namespace minos
