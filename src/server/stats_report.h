#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/options.h"
#include "server/worker_thread.h"
#include "store/kv_store.h"
#include "transport/plane.h"
#include "worker/connection_registry.h"
#include "worker/mesh.h"
#include "worker/plan_board.h"
#include "worker/worker.h"
#include "worker/worker_stats.h"

namespace minos {

// Renders `stats` in memcached's form from every worker's counters. Any worker may ask at any time;
// the counters of the others are read as they stand. `stats reset` writes to none of them: it
// remembers where they stood.
class StatsReport final : public StatsSource {
 public:
  // A datagram plane; `read` may be called by any worker, as long as workers run.
  struct PlaneCounts {
    std::string name;
    std::function<std::vector<PlaneCount>()> read;
  };
  struct Shared {
    const ServerOptions& options;
    KvStore& store;
    const Mesh& mesh;
    const PlanBoard& plans;
    const ConnectionRegistry& registry;
    const std::vector<std::unique_ptr<WorkerStats>>& workers;
    const std::vector<PlaneCounts>& planes;
    std::function<ThreadUse(std::size_t worker)> thread_use;
  };

  StatsReport(const Shared& shared, UnixSeconds started);

  bool append_stats(std::string_view argument, Now now, std::string& out) override;
  void set_verbosity(std::uint32_t level) override;

 private:
  // Where everything that only grows stood at the last reset. Never changed once it is there.
  struct Baseline {
    struct Worker {
      std::array<std::uint64_t, kCounters> counters{};
      SizeCounts sizes;
      ThreadUse thread;
    };
    Nanos at{0};  // the start of the program, before the first reset
    std::vector<Worker> workers;
    std::array<Histogram, kReportClasses> queue_wait_ns;
    std::array<Histogram, kReportClasses> service_ns;
    std::vector<std::vector<PlaneCount>> planes;
    StoreStats store;
    std::uint64_t connections_opened = 0;
    std::uint64_t connections_rejected = 0;
  };
  using HistogramOf = std::array<SharedHistogram, kReportClasses> WorkerStats::*;

  void general(Now now, std::string& out) const;
  void settings(std::string& out) const;
  void items(std::string& out) const;
  void sizes(std::string& out) const;
  void size_classes(Now now, std::string& out) const;
  void connections(Now now, std::string& out) const;
  void minos(std::string& out) const;
  void planes(const Baseline& from, std::string& out) const;
  void classes(const Baseline& from, std::string& out) const;

  void reset(Now at);
  std::shared_ptr<const Baseline> baseline() const;

  // Since `from`.
  std::uint64_t count(const Baseline& from, std::size_t worker, Counter counter) const;
  std::uint64_t total(const Baseline& from, Counter counter) const;
  SizeCounts sizes_since(const Baseline& from) const;
  // Of all workers, since the start.
  Histogram merged(HistogramOf which, std::size_t report_class) const;

  Shared shared_;
  UnixSeconds started_;
  mutable std::mutex mutex_;  // guards the pointer
  std::shared_ptr<const Baseline> baseline_;
};

}  // namespace minos
