#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "worker/planner.h"
#include "worker/testing/fake_datagrams.h"
#include "worker/testing/fake_network.h"
#include "worker/worker.h"

namespace minos {

// Workers, store and controller on virtual time, driven round robin by the calling thread.
class FakeServer {
 public:
  struct Options {
    PolicyKind policy = PolicyKind::kElastic;
    std::uint16_t workers = 1;
    std::uint16_t rx_queues = 0;    // of datagrams; 0: it serves none
    std::uint16_t dispatchers = 1;  // of software-handoff
    std::uint64_t memory_bytes = 32 * kMiB;
    std::uint64_t item_bytes_max = kItemBytesDefault;
    std::uint64_t quantum_bytes = 64 * kKiB;
    bool evict = true;
    bool shutdown_enabled = false;
  };

  explicit FakeServer(const Options& options);
  ~FakeServer();

  // A new connection, given to worker `home`; the peer stays valid for the server's life.
  FakeNetwork::Peer& connect(CoreId home = {});
  // Steps every worker in turn, and lets time pass where one waits for it, until none has anything
  // to do; false if that takes too long.
  bool run();
  // One step of every worker.
  void step_all();
  StepReport step(CoreId core);
  void advance(Nanos by) { clock_.time += by; }
  UnixSeconds unix_now() const;
  // What the server would do at the end of an epoch.
  void plan_epoch() { planner_.end_epoch(stats_); }

  // Sends `request`, runs, and takes what came back.
  std::string ask(FakeNetwork::Peer& peer, std::string_view request);

  FakeDatagrams& datagrams() { return *plane_; }
  KvStore& store() { return *store_; }
  const Worker& worker(CoreId core) const { return *workers_[core.value]; }
  // Whose transport the connection is attached to; none while it is on its way, or closed.
  std::optional<CoreId> owner(const FakeNetwork::Peer& peer) const;
  const WorkerStats& stats(CoreId core) const { return *stats_[core.value]; }
  const CorePlan& plan() const { return *plans_.current(); }
  void publish(CorePlan plan) { plans_.publish(std::move(plan)); }
  std::uint64_t sum(Counter counter) const;
  // Every report of every step so far, folded into one number: equal runs have equal digests.
  std::uint64_t digest() const { return digest_; }

 private:
  struct FakeClock final : Clock {
    Nanos time{std::chrono::seconds(1)};
    Nanos now() const override { return time; }
  };
  struct FakeStats final : StatsSource {
    bool append_stats(std::string_view argument, Now now, std::string& out) override;
    void set_verbosity(std::uint32_t level) override { verbosity = level; }
    std::uint32_t verbosity = 0;
  };

  void receive(std::size_t worker, const RxPlan& plan);
  bool has_packets(const RxPlan& plan) const;

  Options options_;
  FakeClock clock_;
  FakeStats stats_source_;
  std::unique_ptr<KvStore> store_;
  std::unique_ptr<const Policy> policy_;
  Mesh mesh_;
  PlanBoard plans_;
  Planner planner_;
  std::vector<std::unique_ptr<WorkerStats>> stats_;
  std::vector<std::unique_ptr<FakeNetwork::Peer>> peers_;
  std::vector<std::unique_ptr<FakeNetwork>> networks_;
  std::unique_ptr<FakeDatagrams> plane_;
  std::unique_ptr<DatagramShared> datagrams_;
  std::vector<std::unique_ptr<FakePort>> ports_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Rx> rx_;
  std::vector<Tx> tx_;
  std::vector<bool> asleep_;
  std::vector<bool> woken_;
  std::uint64_t digest_ = 0;
};

}  // namespace minos
