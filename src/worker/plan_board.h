#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/units.h"
#include "sharding/core_plan.h"

namespace minos {

// Where the controller publishes plans and workers adopt them. A plan lives until every worker has
// adopted a later one.
class PlanBoard {
 public:
  PlanBoard(CorePlan first, std::uint16_t workers) : adopted_(workers) {
    publish(std::move(first));
  }

  // Controller only.
  void publish(CorePlan plan) {
    plans_.push_back(std::make_unique<const CorePlan>(std::move(plan)));
    // Release pairs with the acquire in current(): a worker that sees the pointer sees the plan.
    current_.store(plans_.back().get(), std::memory_order_release);
    retire();
  }

  // Controller only: plans that some worker may still use.
  std::size_t retained() const { return plans_.size(); }

  // Any thread that adopts what it reads; the controller may read it freely.
  const CorePlan* current() const { return current_.load(std::memory_order_acquire); }

  // By worker `core`, once it uses no plan older than `version`. Release pairs with the acquire in
  // retire(): the worker's last reads of the old plan come before its destruction.
  void adopted(CoreId core, std::uint64_t version) {
    adopted_[core.value].version.store(version, std::memory_order_release);
  }

 private:
  struct alignas(kCacheLineBytes) Adopted {
    std::atomic<std::uint64_t> version{0};
  };

  void retire() {
    std::uint64_t oldest = plans_.back()->version;
    for (const Adopted& worker : adopted_) {
      oldest = std::min(oldest, worker.version.load(std::memory_order_acquire));
    }
    std::erase_if(
        plans_, [&](const auto& plan) { return plan->version < oldest && plan != plans_.back(); });
  }

  std::atomic<const CorePlan*> current_{nullptr};
  std::vector<std::unique_ptr<const CorePlan>> plans_;  // controller only
  std::vector<Adopted> adopted_;
};

}  // namespace minos
