#include "worker/worker.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace minos {

namespace {

// Records of background work a step pays for, and how many steps pass between two payments.
constexpr std::uint32_t kMaintainRecords = 32;
constexpr std::uint32_t kMaintainEverySteps = 8;

}  // namespace

Worker::Worker(const WorkerConfig& config, const WorkerShared& shared, WorkerStats& stats)
    : config_(config),
      store_(shared.store),
      core_(shared.store.core(config.self)),
      mesh_(shared.mesh),
      plans_(shared.plans),
      policy_(shared.policy),
      clock_(shared.clock),
      stats_source_(shared.stats),
      stats_(stats),
      buffers_(shared.store),
      plan_(shared.plans.current()),
      waker_(shared.mesh) {
  pending_.reserve(kBurstRequestsMax);
  if (!config_.planes.empty()) {
    datagrams_ = std::make_unique<DatagramEngine>(config_, shared, stats_, buffers_, waker_);
    datagrams_->adopt(*plan_);
  }
  core_.online();
}

Worker::~Worker() {
  // What is on its way from here or to here ends here: its buffers go to this worker's pool.
  while (auto message = mesh_.try_pop(config_.self)) outbox_.push_back(std::move(message));
  for (const auto& connection : outbox_) connection->worker = this;
  outbox_.clear();
  while (!all_.empty()) {
    Connection& connection = all_.front();
    leave_queues(connection);
    all_.remove(connection);
    delete &connection;
  }
  core_.offline();
}

RxPlan Worker::rx_plan() const {
  const bool large =
      !large_queue_.empty() || (datagrams_ != nullptr && datagrams_->large_waiting() != 0);
  const bool at_hand = run_queue_.size() != waiting_ || !dirty_.empty() || !outbox_.empty() ||
                       give_away_left_ != 0 || idle_left_ != 0 || report_.maintained != 0 ||
                       (datagrams_ != nullptr && datagrams_->busy());
  const bool busy = large || at_hand;
  RxPlan plan;
  plan.streams_max = dispatches() ? read_ahead() : config_.burst_requests;
  plan.block = busy ? Nanos(0) : Nanos(-1);
  if (!busy && checks_idle() && !all_.empty()) plan.block = kIdleCheckEvery;
  if (!busy && !starved_.empty()) plan.block = kStarvedWait;
  if (datagrams_) {
    plan.queues = datagrams_->rx_queues();
    if (!busy || (!at_hand && policy_.steals_before_quanta())) {
      plan.steal_queues = datagrams_->steal_queues();
      plan.steal_polled_only = busy;
    }
    if (!busy) {
      const Nanos patience = datagrams_->patience();
      const bool shorter = plan.block < Nanos(0) || patience < plan.block;
      if (patience >= Nanos(0) && shorter) plan.block = patience;
    }
  }
  plan.large = large_rx_;
  plan.large_bytes = plan.large == nullptr ? 0 : config_.quantum_bytes;
  return plan;
}

StepReport Worker::step(Now now, const Rx& rx, Tx& tx) {
  now_ = now;
  tx.clear();
  tx_ = &tx;
  report_ = StepReport();
  if (large_rx_ != nullptr) large_rx_->grant_upload(0);
  large_rx_ = nullptr;
  core_.quiesce();
  take_events(rx);
  adopt_plan();
  take_hand_offs();
  feed_starved();
  if (datagrams_) {
    datagrams_->begin(now, rx.arrived);
    stats_.add(Counter::kEmptyPolls, rx.queues_empty);
    if (rx.stolen) stats_.add(Counter::kRxStolen, rx.packets.size());
    datagram_requests_ = datagrams_->take_hand_offs();
    datagram_requests_ += datagrams_->run(rx.packets, rx.queues_full);
    report_.requests += datagram_requests_;
    datagrams_->go_on();
  }
  run_burst();
  give_away();
  close_idle();
  const bool datagrams_turn = is_datagrams_turn();
  Connection* const granted = datagrams_turn ? nullptr : pick_large();
  respond(granted);
  if (granted != nullptr) run_large_quantum(*granted);
  if (datagrams_turn) run_datagram_quantum();
  if (++maintain_due_ >= kMaintainEverySteps || report_.requests == 0) {
    maintain_due_ = 0;
    report_.maintained = core_.maintain(now, kMaintainRecords);
  }
  const bool served = report_.requests != 0 || report_.quantum_bytes != 0;
  // What was served is still to be sent.
  const bool large = !large_queue_.empty() || (datagrams_ && datagrams_->large_waiting() != 0);
  if (!served && run_queue_.empty() && !large) note_idle();
  tx_ = nullptr;
  stats_.add(Counter::kSteps);
  if (!served && rx.packets.empty() && rx.events.empty()) stats_.add(Counter::kIdleSteps);
  return report_;
}

void Worker::adopt_plan() {
  const CorePlan* current = plans_.current();
  if (current == plan_) return;
  plan_ = current;
  waiting_ = 0;
  plans_.adopted(config_.self, plan_->version);
  if (datagrams_) datagrams_->adopt(*plan_);
  give_away_left_ = policy_.serves_small(config_.self, *plan_) ? 0 : all_.size();
  // Large work that another core shall do from now on.
  for (std::size_t left = large_queue_.size(); left > 0; --left) {
    queue_large(large_queue_.pop_front());
  }
}

void Worker::take_hand_offs() {
  push_outbox();
  for (std::size_t i = 0; i < kMeshRingMessages; ++i) {
    Mesh::Message message = mesh_.try_pop(config_.self);
    if (message == nullptr) return;
    ++report_.hand_offs_in;
    mesh_.note_arrival(config_.self);
    own(std::move(message));
  }
}

void Worker::take_events(const Rx& rx) {
  rx_backlog_ = rx.backlog;
  for (const RxEvent& event : rx.events) {
    Connection& connection = static_cast<Connection&>(*event.stream);
    DCHECK(!connection.moving);  // its transport let go of it at the end of the step that said so
    if (connection.closing_now) continue;
    connection.last_active = now_.mono;
    if ((event.flags & RxEvent::kBroken) != 0) {
      close(connection);
      continue;
    }
    if ((event.flags & RxEvent::kEnd) != 0) connection.peer_done = true;
    if ((event.flags & (RxEvent::kBytes | RxEvent::kEnd)) != 0) {
      if (connection.ready_at == Nanos(0)) connection.ready_at = rx.arrived;
      run_queue_.push_back(connection);
    }
    if ((event.flags & RxEvent::kWritable) != 0 && !connection.output().empty()) {
      dirty_.push_back(connection);
    }
    queue_large(connection);
    const bool denied = (event.flags & RxEvent::kPending) != 0 && connection.wants_input();
    if (denied && !connection.large_ready()) {
      starve(connection);
    }
  }
}

// `granted` sends what precedes its large value together with the quantum.
void Worker::respond(const Connection* granted) {
  while (!dirty_.empty()) {
    Connection& connection = dirty_.pop_front();
    if (!connection.route().writable) continue;  // kWritable comes
    OutputQueue& out = connection.output();
    if (&connection == granted && out.has_large()) continue;
    const std::uint64_t bytes = out.has_large() ? out.bytes_before_large() : out.bytes();
    if (bytes != 0) tx_->flush(connection, bytes);
  }
}

LoadFacts Worker::load_facts() const {
  LoadFacts facts;
  facts.self = config_.self;
  facts.small_waiting = static_cast<std::uint32_t>(run_queue_.size()) + rx_backlog_;
  facts.large_waiting = static_cast<std::uint32_t>(large_queue_.size());
  if (datagrams_) {
    facts.small_waiting += datagrams_->small_waiting();
    facts.large_waiting += datagrams_->large_waiting();
  }
  facts.datagrams_served = datagram_requests_;
  facts.served_since_quantum = served_since_quantum_ + std::max(report_.requests, 1U);
  return facts;
}

// Streams and datagrams take turns where both have large work.
bool Worker::is_datagrams_turn() {
  if (!datagrams_ || datagrams_->large_waiting() == 0) return false;
  if (large_queue_.empty()) return true;
  datagrams_next_ = !datagrams_next_;
  return datagrams_next_;
}

void Worker::run_datagram_quantum() {
  const bool must = datagrams_->must_finish();
  if (!must && !policy_.may_start_large(load_facts(), *plan_)) {
    served_since_quantum_ += std::max(report_.requests, 1U);
    datagrams_->pass_on_large();
    return;
  }
  served_since_quantum_ = 0;
  const std::uint64_t bytes = datagrams_->send_quantum();
  report_.quantum_bytes += bytes;
  if (bytes != 0) stats_.add(Counter::kQuanta);
}

// The connection that may use a quantum now, if any.
Connection* Worker::pick_large() {
  while (!large_queue_.empty() && !large_queue_.front().large_ready()) {
    large_queue_.remove(large_queue_.front());
  }
  if (large_queue_.empty()) {
    served_since_quantum_ = 0;
    return nullptr;
  }
  Connection& first = large_queue_.front();
  // What a newer plan calls small may run anywhere; by quanta it goes on, since it began so.
  if (plan_->is_large(first.large_value_bytes) && !policy_.may_start_large(load_facts(), *plan_)) {
    served_since_quantum_ += std::max(report_.requests, 1U);
    return nullptr;
  }
  served_since_quantum_ = 0;
  return &first;
}

void Worker::run_large_quantum(Connection& connection) {
  if (connection.large_started == Nanos(0)) {
    connection.large_started = clock_.now();
    record_wait(report_class_of(connection.large_value_bytes, *plan_), connection.large_placed,
                connection.large_started);
    ++report_.large_started;
  }
  const OutputQueue& out = connection.output();
  if (out.has_large()) {
    // The few bytes behind the value go with its last quantum.
    constexpr std::uint64_t kTailBytesMax = 16;
    const std::uint64_t due = out.bytes_before_large() + config_.quantum_bytes;
    const bool last = out.bytes() <= due + kTailBytesMax;
    tx_->flush(connection, last ? out.bytes() : due, !last);
  } else {
    large_rx_ = &connection;
    connection.grant_upload(config_.quantum_bytes);
  }
  report_.quantum_bytes = config_.quantum_bytes;
  stats_.add(Counter::kQuanta);
}

void Worker::note_sent(Connection& connection, std::uint64_t bytes, bool large_done) {
  stats_.add(Counter::kSends);
  stats_.add(Counter::kBytesWritten, bytes);
  connection.last_active = now_.mono;
  if (large_done) {
    large_queue_.remove(connection);
    finish_large(connection);
  }
  const bool drained = connection.output().empty();
  if (large_done && !drained) dirty_.push_back(connection);
  if (!drained && !large_done) return;
  const bool due = connection.has_input() || connection.peer_done ||
                   connection.phase() == Connection::Phase::kClosing || !belongs_here(connection) ||
                   large_done;
  if (due && !connection.moving && !connection.closing_now) run_queue_.push_back(connection);
}

void Worker::finish_large(Connection& connection) {
  stats_.add(Counter::kLargeRequests);
  if (connection.large_started != Nanos(0)) {
    const auto elapsed = (clock_.now() - connection.large_started).count();
    const auto index =
        static_cast<std::size_t>(report_class_of(connection.large_value_bytes, *plan_));
    stats_.service_ns[index].record(static_cast<std::uint64_t>(std::max<std::int64_t>(elapsed, 0)));
  }
  connection.large_started = Nanos(0);
}

void Worker::record_wait(ReportClass report_class, Nanos since, Nanos until) {
  const std::int64_t waited = std::max<std::int64_t>((until - since).count(), 0);
  stats_.queue_wait_ns[static_cast<std::size_t>(report_class)].record(
      static_cast<std::uint64_t>(waited));
}

void Worker::note_served(const Connection& connection, std::uint64_t value_bytes) {
  const ReportClass served = report_class_of(value_bytes, *plan_);
  ++served_[static_cast<std::size_t>(served)];
  record_wait(served, connection.ready_at, burst_start_);
}

bool Worker::prepare_sleep() {
  // Others count as idle only if they polled in vain before: offers to every core that sleeps would
  // move connections to and fro.
  if (runs_guests()) note_idle();
  if (waker_.any()) return false;
  mesh_.begin_sleep(config_.self);
  const bool dispatch_waits = waiting_ != 0 || (datagrams_ && datagrams_->awaits_worker());
  const bool worker_idle = dispatch_waits && !mesh_.awaits_idle(config_.self);
  const bool handed = !mesh_.empty(config_.self) || (datagrams_ && datagrams_->handed());
  if (worker_idle || handed) {
    mesh_.end_sleep(config_.self);
    return false;
  }
  core_.offline();
  asleep_ = true;
  return true;
}

void Worker::awake() {
  if (!std::exchange(asleep_, false)) return;
  mesh_.end_sleep(config_.self);
  core_.online();
}

}  // namespace minos
