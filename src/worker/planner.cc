#include "worker/planner.h"

#include <utility>

namespace minos {

bool Planner::end_epoch(std::span<const std::unique_ptr<WorkerStats>> stats) {
  SizeHistogram epoch;
  for (std::size_t i = 0; i < stats.size(); ++i) {
    const SizeCounts counted = stats[i]->sizes_since(counted_[i]);
    epoch.merge(counted.read);
    epoch.merge(counted.written);
  }
  const CorePlan& in_force = *board_.current();
  CorePlan next = controller_.next(epoch, in_force.version);
  if (next.same_content(in_force)) return false;
  board_.publish(std::move(next));
  return true;
}

}  // namespace minos
