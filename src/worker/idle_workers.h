#pragma once

#include <optional>

#include "sharding/core_plan.h"
#include "worker/mesh.h"

namespace minos {

// For dispatchers of software hand-off: an idle worker, which is now owed a connection or a
// request. Rather one that is awake: it takes over sooner, and costs no wake-up.
inline std::optional<CoreId> claim_idle_worker(Mesh& mesh, const CorePlan& plan) {
  for (const bool sleeping : {false, true}) {
    for (std::uint16_t i = 0; i < plan.core_count(); ++i) {
      const CoreId core{i};
      if (plan.role(core) != CoreRole::kWorker || mesh.sleeps(core) != sleeping) continue;
      if (mesh.claim_idle(core)) return core;
    }
  }
  return std::nullopt;
}

// When there is none, `self` is told of the next one that becomes idle.
inline std::optional<CoreId> claim_worker(Mesh& mesh, const CorePlan& plan, CoreId self) {
  if (const auto worker = claim_idle_worker(mesh, plan)) return worker;
  mesh.await_idle(self);
  return claim_idle_worker(mesh, plan);  // that became idle too early to see that this core waits
}

}  // namespace minos
