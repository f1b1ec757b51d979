#pragma once

#include <memory>
#include <span>
#include <vector>

#include "sharding/size_controller.h"
#include "worker/plan_board.h"
#include "worker/worker_stats.h"

namespace minos {

// Ends epochs: takes what the workers counted since the last one and publishes the plan that the
// controller makes of it. One thread, the same one always.
class Planner {
 public:
  // `board`, which began with initial(options), outlives the planner.
  Planner(const ControllerOptions& options, PlanBoard& board, std::uint16_t workers)
      : controller_(options), board_(board), counted_(workers) {}

  // The plan that a board starts with.
  static CorePlan initial(const ControllerOptions& options) {
    return SizeController(options).initial();
  }

  // True when a plan other than the one in force was published. `stats`: one per worker.
  bool end_epoch(std::span<const std::unique_ptr<WorkerStats>> stats);

 private:
  SizeController controller_;
  PlanBoard& board_;
  std::vector<SizeCounts> counted_;  // per worker: sizes that earlier epochs saw
};

}  // namespace minos
