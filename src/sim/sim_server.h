#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/limits.h"
#include "base/prng.h"
#include "sim/event_queue.h"
#include "sim/sim_network.h"
#include "sim/sim_port.h"
#include "worker/datagram_shared.h"
#include "worker/planner.h"
#include "worker/worker.h"

namespace minos {

// A set of cores.
class CoreSet {
 public:
  void set(std::uint16_t core, bool in) {
    const std::uint64_t bit = std::uint64_t{1} << (core % 64);
    words_[core / 64] = in ? words_[core / 64] | bit : words_[core / 64] & ~bit;
  }
  bool has(std::uint16_t core) const { return (words_[core / 64] >> (core % 64) & 1) != 0; }
  CoreSet both(const CoreSet& other) const {
    CoreSet out;
    for (std::size_t i = 0; i < words_.size(); ++i) out.words_[i] = words_[i] & other.words_[i];
    return out;
  }
  std::uint32_t count() const;
  // The nth one, n < count().
  std::uint16_t nth(std::uint32_t n) const;

 private:
  std::array<std::uint64_t, (kWorkersMax + 1 + 63) / 64> words_{};
};

// The workers of one server on virtual cores. A core that has work runs a step, and is busy for as
// long as that costs; one that has none costs no events: it is woken by what a core that polls
// would have found. A step is one event: what it gives to others is there at the time when it gave
// it, but a core whose own step comes before that in virtual time and later in the order of events
// sees it too early, by the length of a step at most.
class SimServer final : public HandOffs {
 public:
  // The options, the workload, the network and the recorder outlive it.
  SimServer(const SimOptions& options, std::uint16_t cores, const SimWorkload& workload,
            EventQueue& events, SimRecorder& recorder, const CostBook& costs);
  ~SimServer() override;

  SimNetwork& network() { return *network_; }

  // What a plan is made of, before the start: the sizes of the workload.
  void learn(const SimWorkload& workload);
  void preload(const SimWorkload& workload);
  // Every core looks around for the first time.
  void start();

  void step(std::uint16_t core, Picos now);
  // An event of this core is due now: false if it was put off or done since.
  bool is_due(std::uint16_t core, Picos now) const { return cores_[core].due == now; }
  // A packet waits in this queue: who polls it and has nothing else to do finds it.
  void wake_for(QueueId queue, Picos now);
  void handed_to(CoreId to, Picos at) override { wake(to.value, at, false); }
  // True: a new plan is in force.
  bool end_epoch(Picos now);

  const CorePlan& plan() const { return *plans_.current(); }
  void fill(SimResult& result, Picos end);

 private:
  struct VirtualClock final : Clock {
    const CoreClock* core = nullptr;  // of the step under way
    Nanos now() const override {
      return kVirtualStart + Nanos((core == nullptr ? 0 : core->now) / kPicosPerNano);
    }
  };
  struct NoStats final : StatsSource {
    bool append_stats(std::string_view, Now, std::string&) override { return false; }
    void set_verbosity(std::uint32_t) override {}
  };
  struct Core {
    std::unique_ptr<SimPort> port;
    std::unique_ptr<Worker> worker;
    Rx rx;
    Tx tx;
    Picos due = kNever;
    bool idle = false;                  // waits, and can be woken
    bool asleep = false;                // and has told others so
    std::uint32_t idle_rounds = 0;      // in a row, that did nothing although there was work
    const void* queues_seen = nullptr;  // what polls_ and steals_ say of it, was read from
    std::uint64_t plan_seen = ~std::uint64_t{0};
    std::size_t steals_seen = 0;
  };

  void wake(std::uint16_t core, Picos at, bool polls);
  void schedule(std::uint16_t core, Picos at);
  void rest(std::uint16_t index, Picos end);
  void note_queues(std::uint16_t index, const RxPlan& plan);
  Picos poll_time(std::uint16_t core) const;

  EventQueue& events_;
  SimRecorder& recorder_;
  const CostBook& costs_;
  VirtualClock clock_;
  NoStats no_stats_;
  Prng random_;
  std::unique_ptr<KvStore> store_;
  std::unique_ptr<SimNetwork> network_;
  std::unique_ptr<const Policy> policy_;
  Mesh mesh_;
  PlanBoard plans_;
  Planner planner_;
  std::unique_ptr<DatagramShared> datagrams_;
  std::vector<std::uint16_t> last_receiver_;
  std::vector<std::unique_ptr<WorkerStats>> stats_;
  std::vector<Core> cores_;
  CoreSet idle_;
  std::vector<CoreSet> polls_;   // of each queue: who receives from it
  std::vector<CoreSet> steals_;  // and who steals
};

}  // namespace minos
