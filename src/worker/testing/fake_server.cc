#include "worker/testing/fake_server.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/prng.h"

namespace minos {

namespace {

ControllerOptions controller_options(const FakeServer::Options& options) {
  ControllerOptions out;
  out.policy = options.policy;
  out.cores = options.workers;
  out.threshold_min_bytes = options.rx_queues == 0 ? kInlineValueBytesMax : kReplyFragmentBytes;
  out.dispatchers = options.dispatchers;
  return out;
}

std::uint64_t fold(std::uint64_t digest, std::uint64_t value) {
  std::uint64_t state = digest ^ value;
  return splitmix64(state);
}

}  // namespace

bool FakeServer::FakeStats::append_stats(std::string_view argument, Now now, std::string& out) {
  if (argument == "reset") {
    out += "RESET\r\n";
    return true;
  }
  if (argument.empty()) {
    out += "STAT pid 1\r\nSTAT uptime 1\r\nSTAT time " + std::to_string(now.unix_s) +
           "\r\nSTAT version 1.6.27\r\n";
  } else if (argument == "settings") {
    out += "STAT maxbytes 1\r\n";
  } else if (argument != "items" && argument != "slabs") {
    return false;
  }
  out += "END\r\n";
  return true;
}

FakeServer::FakeServer(const Options& options)
    : options_(options),
      policy_(make_policy(options.policy)),
      mesh_(options.workers),
      plans_(Planner::initial(controller_options(options)), options.workers),
      planner_(controller_options(options), plans_, options.workers),
      rx_(options.workers),
      tx_(options.workers),
      asleep_(options.workers),
      woken_(options.workers) {
  StoreOptions store;
  store.memory_bytes = options.memory_bytes;
  store.item_bytes_max = options.item_bytes_max;
  store.evict = options.evict;
  store.cores = options.workers;
  auto created = KvStore::create(store);
  CHECK(created.has_value());
  store_ = std::move(*created);
  if (options.rx_queues != 0) {
    plane_ = std::make_unique<FakeDatagrams>(options.rx_queues);
    datagrams_ = std::make_unique<DatagramShared>(*store_, options.workers, options.rx_queues,
                                                  AddressTokens::Secret{1});
  }
  const WorkerShared shared{*store_, mesh_,         plans_,          *policy_,
                            clock_,  stats_source_, datagrams_.get()};
  for (std::uint16_t i = 0; i < options.workers; ++i) {
    WorkerConfig config;
    config.self = CoreId{i};
    config.quantum_bytes = options.quantum_bytes;
    config.shutdown_enabled = options.shutdown_enabled;
    config.version_reply = "VERSION 1.6.27-minos\r\n";
    if (plane_) {
      ports_.push_back(std::make_unique<FakePort>(*plane_));
      config.planes.push_back(ports_.back().get());
    }
    stats_.push_back(std::make_unique<WorkerStats>());
    networks_.push_back(std::make_unique<FakeNetwork>(peers_));
    workers_.push_back(std::make_unique<Worker>(config, shared, *stats_.back()));
  }
}

FakeServer::~FakeServer() = default;

FakeNetwork::Peer& FakeServer::connect(CoreId home) {
  const int handle = static_cast<int>(peers_.size());
  peers_.push_back(std::make_unique<FakeNetwork::Peer>());
  Mesh::Message message =
      std::make_unique<Connection>(handle, options_.item_bytes_max, nullptr, -1);
  message->home = home;
  CHECK(mesh_.try_push(mesh_.acceptor(), home, message));
  step(home);
  return *peers_.back();
}

StepReport FakeServer::step(CoreId core) {
  const std::size_t i = core.value;
  workers_[i]->awake();
  asleep_[i] = false;
  woken_[i] = false;
  receive(i, workers_[i]->rx_plan());
  rx_[i].arrived = clock_.time;
  const Now now{clock_.time, unix_now()};
  const StepReport report = workers_[i]->step(now, rx_[i], tx_[i]);
  networks_[i]->send(tx_[i]);
  if (plane_) ports_[i]->flush();
  const auto wakes = workers_[i]->take_wakes();
  for (std::size_t to = 0; to < woken_.size(); ++to) {
    if ((wakes[to / 64] >> (to % 64) & 1) != 0) woken_[to] = true;
  }
  for (const std::uint64_t value :
       {std::uint64_t{core.value}, std::uint64_t{report.requests}, report.quantum_bytes,
        std::uint64_t{report.hand_offs_in}, std::uint64_t{report.connections_run}}) {
    digest_ = fold(digest_, value);
  }
  return report;
}

void FakeServer::receive(std::size_t worker, const RxPlan& plan) {
  Rx& rx = rx_[worker];
  networks_[worker]->receive(plan, rx);
  if (!plane_) return;
  ports_[worker]->receive(plan.queues, rx.packets, rx.queues_full);
  if (!rx.events.empty()) return;
  for (std::size_t i = 0; i < plan.steal_queues.size() && rx.packets.empty(); ++i) {
    ports_[worker]->receive(plan.steal_queues.subspan(i, 1), rx.packets, rx.queues_full);
  }
}

bool FakeServer::has_packets(const RxPlan& plan) const {
  const auto waits = [&](const RxQueueQuota& wanted) { return plane_->has_packets(wanted.queue); };
  return std::ranges::any_of(plan.queues, waits);
}

std::optional<CoreId> FakeServer::owner(const FakeNetwork::Peer& peer) const {
  for (std::uint16_t i = 0; i < options_.workers; ++i) {
    if (peer.owner == networks_[i].get()) return CoreId{i};
  }
  return std::nullopt;
}

UnixSeconds FakeServer::unix_now() const {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(clock_.time);
  return 1'000'000'000 + static_cast<UnixSeconds>(seconds.count());
}

void FakeServer::step_all() {
  for (std::uint16_t i = 0; i < options_.workers; ++i) step(CoreId{i});
}

bool FakeServer::run() {
  constexpr int kRoundsMax = 200'000;
  for (int round = 0; round < kRoundsMax; ++round) {
    bool busy = false;
    Nanos wait{-1};
    for (std::uint16_t i = 0; i < options_.workers; ++i) {
      const CoreId core{i};
      const RxPlan plan = workers_[i]->rx_plan();
      const bool due =
          plan.block == Nanos(0) || networks_[i]->has_work(plan) || woken_[i] || has_packets(plan);
      // A worker that only looks for idle connections is at rest.
      if (plan.block > Nanos(0) && plan.block < kIdleCheckEvery) wait = plan.block;
      if (!due && !asleep_[i]) asleep_[i] = workers_[i]->prepare_sleep();
      if (!due && asleep_[i]) continue;
      busy = true;
      step(core);
    }
    if (busy) continue;
    if (wait < Nanos(0)) return true;
    advance(wait);
    step_all();
  }
  return false;
}

std::string FakeServer::ask(FakeNetwork::Peer& peer, std::string_view request) {
  peer.to_server += request;
  CHECK(run());
  return std::exchange(peer.from_server, {});
}

std::uint64_t FakeServer::sum(Counter counter) const {
  std::uint64_t total = 0;
  for (const auto& stats : stats_) total += stats->get(counter);
  return total;
}

}  // namespace minos
