#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace minos {

enum class CoreRole : std::uint8_t {
  kAny,         // serves whatever arrives (key-hash, work-stealing)
  kSmall,       // serves small requests; never starts large work
  kLarge,       // serves the large requests of its size range
  kStandby,     // serves small requests, and, since no core is kLarge, every large one in quanta
  kElastic,     // serves small requests, and large work in quanta when no small request waits
  kDispatcher,  // receives for all, executes nothing; the first cores of a plan, if any
  kWorker,      // receives nothing, serves whatever a dispatcher gives it
};

std::string_view name_of(CoreRole role);

// Has such a core a large_range?
constexpr bool owns_large(CoreRole role) {
  return role == CoreRole::kLarge || role == CoreRole::kStandby || role == CoreRole::kElastic;
}

// Value sizes in bytes, both ends included.
struct SizeRange {
  std::uint64_t min_bytes = 0;
  std::uint64_t max_bytes = 0;
  friend bool operator==(const SizeRange&, const SizeRange&) = default;
};

// Who serves what during an epoch. Built by the controller, immutable once published, adopted by
// each worker at the top of a step.
struct CorePlan {
  struct Core {
    CoreRole role = CoreRole::kAny;
    SizeRange large_range;  // of kLarge, kStandby and kElastic cores
    friend bool operator==(const Core&, const Core&) = default;
  };

  std::uint64_t version = 0;
  std::uint64_t threshold_bytes = 0;  // values of at most this many bytes are small
  double small_cost_share = 1.0;      // cost(small) / cost(all) that the plan was built from
  std::vector<Core> cores;

  std::uint16_t core_count() const { return static_cast<std::uint16_t>(cores.size()); }
  CoreRole role(CoreId core) const { return cores[core.value].role; }
  std::uint16_t count(CoreRole role) const;
  bool is_large(std::uint64_t value_bytes) const { return value_bytes > threshold_bytes; }

  // The core whose large_range holds value_bytes, a large size; one always does in a plan that has
  // any core that owns_large().
  CoreId large_core_for(std::uint64_t value_bytes) const;

  // Equal but for the version: workers would do the same under both.
  bool same_content(const CorePlan& other) const;

  friend bool operator==(const CorePlan& a, const CorePlan& b);
};

}  // namespace minos
