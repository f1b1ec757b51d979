#include "sim/sim_server.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace minos {

namespace {

constexpr std::uint64_t kWakeSeed = 0x5eed0004;

// Requests that the first plan is made from.
constexpr double kLearned = 1e6;

// A core that must go on, but cannot, looks again after so long; so does one whose steps take no
// time and do nothing.
constexpr Picos kLookAgain = 2'000'000;
constexpr std::uint32_t kIdleRoundsMax = 16;

constexpr UnixSeconds kUnixStart = 1'000'000'000;

ControllerOptions controller_options(const SimOptions& options, std::uint16_t cores) {
  ControllerOptions out;
  out.policy = options.policy;
  out.cores = cores;
  out.dispatchers = cores == 1 ? std::uint16_t{1} : options.dispatchers;
  out.large_percentile = options.large_percentile;
  out.smoothing = options.smoothing;
  out.threshold_min_bytes =
      options.threshold_min_bytes == 0 ? kReplyFragmentBytes : options.threshold_min_bytes;
  return out;
}

// Values, twice, as what is replaced is not free at once; what is charged to them besides; the
// windows of past writes.
std::uint64_t memory_for(const SimWorkload& workload, std::uint16_t cores) {
  std::uint64_t bytes = 0;
  std::uint64_t largest = 0;
  workload.for_each_key([&](std::uint32_t, std::uint32_t value_bytes, bool, double) {
    bytes += value_bytes + 128;
    largest = std::max<std::uint64_t>(largest, value_bytes);
  });
  return 2 * bytes + 16 * largest + cores * 8 * kMiB + 128 * kMiB;
}

}  // namespace

std::uint32_t CoreSet::count() const {
  int count = 0;
  for (const std::uint64_t word : words_) count += std::popcount(word);
  return static_cast<std::uint32_t>(count);
}

std::uint16_t CoreSet::nth(std::uint32_t n) const {
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const auto here = static_cast<std::uint32_t>(std::popcount(words_[i]));
    if (n >= here) {
      n -= here;
      continue;
    }
    std::uint64_t word = words_[i];
    while (n-- > 0) word &= word - 1;
    return static_cast<std::uint16_t>(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
  }
  CHECK(false);
}

SimServer::SimServer(const SimOptions& options, std::uint16_t cores, const SimWorkload& workload,
                     EventQueue& events, SimRecorder& recorder, const CostBook& costs)
    : events_(events),
      recorder_(recorder),
      costs_(costs),
      random_(options.seed ^ kWakeSeed),
      policy_(make_policy(options.policy)),
      mesh_(cores),
      plans_(Planner::initial(controller_options(options, cores)), cores),
      planner_(controller_options(options, cores), plans_, cores),
      last_receiver_(cores),
      cores_(cores),
      polls_(cores),
      steals_(cores) {
  StoreOptions store;
  store.memory_bytes = memory_for(workload, cores);
  store.item_bytes_max = std::max<std::uint64_t>(workload.value_bytes_max(), kItemBytesDefault);
  store.cores = cores;
  auto created = KvStore::create(store);
  CHECK(created.has_value());
  store_ = std::move(*created);
  datagrams_ = std::make_unique<DatagramShared>(*store_, cores, cores, AddressTokens::Secret{1});
  network_ = std::make_unique<SimNetwork>(options, workload, datagrams_->tokens, cores, recorder);
  const std::uint32_t burst = options.burst_requests != 0
                                  ? options.burst_requests
                                  : default_burst(options.policy, options.costs);
  const WorkerShared shared{*store_, mesh_, plans_, *policy_, clock_, no_stats_, datagrams_.get()};
  for (std::uint16_t i = 0; i < cores; ++i) {
    Core& core = cores_[i];
    last_receiver_[i] = i;
    core.port = std::make_unique<SimPort>(i, *network_, costs_, recorder_, *this, last_receiver_);
    WorkerConfig config;
    config.self = CoreId{i};
    config.burst_requests = burst;
    if (options.quantum_packets != 0) {
      config.quantum_packets_max = kQuantumPacketsMax / kQuantumPackets * options.quantum_packets;
      config.quantum_packets = options.quantum_packets;
    }
    config.planes = {core.port.get()};
    config.observer = core.port.get();
    stats_.push_back(std::make_unique<WorkerStats>());
    core.worker = std::make_unique<Worker>(config, shared, *stats_.back());
  }
}

SimServer::~SimServer() {
  // Packets on their way between cores go back to the network's pool.
  for (Core& core : cores_) core.worker.reset();
  datagrams_.reset();
}

void SimServer::learn(const SimWorkload& workload) {
  double owed = 0;
  workload.for_each_key([&](std::uint32_t, std::uint32_t value_bytes, bool, double share) {
    for (owed += share * kLearned; owed >= 1; owed -= 1) stats_[0]->sizes_read.record(value_bytes);
  });
  planner_.end_epoch(stats_);
}

void SimServer::preload(const SimWorkload& workload) {
  StoreCore& core = store_->core(CoreId{0});
  const Now now{kVirtualStart, kUnixStart};
  workload.for_each_key([&](std::uint32_t index, std::uint32_t value_bytes, bool, double) {
    const KeySpace::Key bytes = workload.keys().key(index);
    const std::string_view key{bytes.data(), bytes.size()};
    const std::string_view value = workload.keys().value(index, value_bytes);
    StoreStatus status = StoreStatus::kOutOfMemory;
    for (int tries = 0; tries < 100 && status == StoreStatus::kOutOfMemory; ++tries) {
      status = core.put(StoreMode::kSet, key, hash_key(key), {}, value, 0, now);
      core.quiesce();
    }
    CHECK(status == StoreStatus::kStored);
  });
}

void SimServer::start() {
  for (std::uint16_t i = 0; i < cores_.size(); ++i) schedule(i, 0);
}

Picos SimServer::poll_time(std::uint16_t core) const {
  const RxPlan plan = cores_[core].worker->rx_plan();
  const auto queues = static_cast<Picos>(plan.queues.size() + plan.steal_queues.size());
  return costs_.step() + queues * costs_.empty_poll();
}

void SimServer::schedule(std::uint16_t core, Picos at) {
  cores_[core].due = at;
  events_.push(at, EventQueue::Kind::kCore, core);
}

// A core that waits goes on at `at`, when it has finished what it is at; `polls`: it has to come by
// in its round first, which takes half a round on average.
void SimServer::wake(std::uint16_t index, Picos at, bool polls) {
  Core& core = cores_[index];
  if (!core.idle) return;
  at = std::max(at, core.port->clock().now);
  if (polls) at += poll_time(index) / 2;
  if (core.due <= at) return;
  idle_.set(index, false);
  schedule(index, at);
}

void SimServer::wake_for(QueueId queue, Picos now) {
  const CoreSet receivers = polls_[queue.value].both(idle_);
  if (receivers.has(queue.value)) return wake(queue.value, now, true);
  if (const std::uint32_t n = receivers.count(); n != 0) {
    return wake(receivers.nth(static_cast<std::uint32_t>(random_.below(n))), now, true);
  }
  const CoreSet thieves = steals_[queue.value].both(idle_);
  const std::uint32_t n = thieves.count();
  if (n != 0) wake(thieves.nth(static_cast<std::uint32_t>(random_.below(n))), now, true);
}

void SimServer::step(std::uint16_t index, Picos now) {
  Core& core = cores_[index];
  core.due = kNever;
  core.idle = false;
  idle_.set(index, false);
  if (std::exchange(core.asleep, false)) core.worker->awake();
  clock_.core = &core.port->clock();
  const RxPlan plan = core.worker->rx_plan();
  core.port->begin(now, plans_.current()->role(CoreId{index}) == CoreRole::kDispatcher);
  core.rx.clear();
  core.port->receive(plan.queues, core.rx.packets, core.rx.queues_full);
  for (std::size_t i = 0; i < plan.steal_queues.size() && core.rx.packets.empty(); ++i) {
    core.port->steal_next();
    core.port->receive(plan.steal_queues.subspan(i, 1), core.rx.packets, core.rx.queues_full);
  }
  core.rx.arrived = kVirtualStart + Nanos(now / kPicosPerNano);
  const auto seconds = static_cast<UnixSeconds>(now / kPicosPerSecond);
  const StepReport report =
      core.worker->step({core.rx.arrived, kUnixStart + seconds}, core.rx, core.tx);
  const bool worked = core.port->end();
  const Picos end = core.port->clock().now;
  recorder_.fold(static_cast<std::uint64_t>(end));
  recorder_.fold(std::uint64_t{index} << 32 | report.requests);
  const Waker::Cores wakes = core.worker->take_wakes();
  for (std::uint16_t to = 0; to < cores_.size(); ++to) {
    if ((wakes[to / 64] >> (to % 64) & 1) != 0) wake(to, end, false);
  }
  if (worked) {
    core.idle_rounds = 0;
    return schedule(index, end);
  }
  rest(index, end);
}

// The step did nothing: the core sleeps, or looks again later.
void SimServer::rest(std::uint16_t index, Picos end) {
  Core& core = cores_[index];
  const RxPlan plan = core.worker->rx_plan();
  if (plan.block == Nanos(0) && !core.port->refused() && ++core.idle_rounds < kIdleRoundsMax) {
    return schedule(index, end);
  }
  if (plan.block != Nanos(0)) {
    if (!core.worker->prepare_sleep()) {
      if (++core.idle_rounds < kIdleRoundsMax) return schedule(index, end);
    } else {
      core.asleep = true;
    }
  }
  note_queues(index, plan);
  core.idle = true;
  idle_.set(index, true);
  if (plan.block == Nanos(0) || !core.asleep) {
    schedule(index, end + kLookAgain);
  } else if (plan.block > Nanos(0)) {
    schedule(index, end + picos(plan.block));
  }
  core.idle_rounds = 0;
}

// Who can be woken for which queue.
void SimServer::note_queues(std::uint16_t index, const RxPlan& plan) {
  Core& core = cores_[index];
  const std::uint64_t version = plans_.current()->version;
  if (core.plan_seen == version && core.queues_seen == plan.queues.data() &&
      core.steals_seen == plan.steal_queues.size()) {
    return;
  }
  core.plan_seen = version;
  core.queues_seen = plan.queues.data();
  core.steals_seen = plan.steal_queues.size();
  for (CoreSet& cores : polls_) cores.set(index, false);
  for (CoreSet& cores : steals_) cores.set(index, false);
  for (const RxQueueQuota& quota : plan.queues) polls_[quota.queue.value].set(index, true);
  for (const RxQueueQuota& quota : plan.steal_queues) steals_[quota.queue.value].set(index, true);
}

bool SimServer::end_epoch(Picos now) {
  if (!planner_.end_epoch(stats_)) return false;
  for (std::uint16_t i = 0; i < cores_.size(); ++i) wake(i, now, true);
  return true;
}

void SimServer::fill(SimResult& result, Picos end) {
  for (std::uint16_t i = 0; i < cores_.size(); ++i) {
    Core& core = cores_[i];
    core.port->idle_until(end);
    SimCore out;
    out.role = plans_.current()->role(CoreId{i});
    core.port->count(out);
    const CoreClock& clock = core.port->clock();
    double total = 0;
    for (const Picos spent : clock.spent) total += static_cast<double>(spent);
    for (std::size_t a = 0; a < kSimActivities && total > 0; ++a) {
      out.share[a] = static_cast<double>(clock.spent[a]) / total;
    }
    out.utilisation = 1 - out.share[static_cast<std::size_t>(SimActivity::kPoll)];
    result.cores.push_back(out);
  }
}

}  // namespace minos
