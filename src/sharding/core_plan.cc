#include "sharding/core_plan.h"

#include <algorithm>

#include "base/check.h"

namespace minos {

std::string_view name_of(CoreRole role) {
  switch (role) {
    case CoreRole::kAny:
      return "any";
    case CoreRole::kSmall:
      return "small";
    case CoreRole::kLarge:
      return "large";
    case CoreRole::kStandby:
      return "standby";
    case CoreRole::kElastic:
      return "elastic";
    case CoreRole::kDispatcher:
      return "dispatcher";
    case CoreRole::kWorker:
      return "worker";
  }
  return "unknown";
}

std::uint16_t CorePlan::count(CoreRole role) const {
  return static_cast<std::uint16_t>(std::ranges::count(cores, role, &Core::role));
}

CoreId CorePlan::large_core_for(std::uint64_t value_bytes) const {
  const auto owner = std::ranges::find_if(cores, [&](const Core& core) {
    return owns_large(core.role) && core.large_range.min_bytes <= value_bytes &&
           value_bytes <= core.large_range.max_bytes;
  });
  CHECK(owner != cores.end());
  return CoreId{static_cast<std::uint16_t>(owner - cores.begin())};
}

bool CorePlan::same_content(const CorePlan& other) const {
  return threshold_bytes == other.threshold_bytes && small_cost_share == other.small_cost_share &&
         cores == other.cores;
}

bool operator==(const CorePlan& a, const CorePlan& b) {
  return a.version == b.version && a.same_content(b);
}

}  // namespace minos
