#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/options.h"
#include "store/kv_store.h"
#include "worker/connection_registry.h"
#include "worker/mesh.h"
#include "worker/plan_board.h"
#include "worker/worker.h"
#include "worker/worker_stats.h"

namespace minos {

// Renders `stats` in memcached's form from every worker's counters. Any worker may ask at any time;
// the counters of the others are read as they stand.
class StatsReport final : public StatsSource {
 public:
  struct Shared {
    const ServerOptions& options;
    KvStore& store;
    const Mesh& mesh;
    const PlanBoard& plans;
    const ConnectionRegistry& registry;
    const std::vector<std::unique_ptr<WorkerStats>>& workers;
  };

  StatsReport(const Shared& shared, UnixSeconds started);

  bool append_stats(std::string_view argument, Now now, std::string& out) override;
  void set_verbosity(std::uint32_t level) override;

 private:
  void general(Now now, std::string& out) const;
  void settings(std::string& out) const;
  void items(std::string& out) const;
  void sizes(std::string& out) const;
  void connections(Now now, std::string& out) const;
  void minos(std::string& out) const;
  void classes(std::string& out) const;
  void reset();

  std::uint64_t sum(Counter counter) const;
  std::uint64_t since_reset(Counter counter) const;

  Shared shared_;
  UnixSeconds started_;
  mutable std::mutex mutex_;  // guards the baseline
  std::array<std::uint64_t, kCounters> baseline_{};
};

}  // namespace minos
