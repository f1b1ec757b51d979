// How connections come to a worker, leave it, and end.

#include <utility>

#include "base/check.h"
#include "worker/worker.h"

namespace minos {

namespace {

// Waking a sleeping core costs its waker about as much as two requests, and the core itself is
// late by several more: fewer connections than this are served sooner where they are.
constexpr std::uint32_t kOfferWorthWaking = 12;

}  // namespace

void Worker::own(std::unique_ptr<Connection> owned) {
  Connection& connection = *owned.release();
  connection.worker = this;
  connection.moving = false;
  connection.last_active = now_.mono;
  all_.push_back(connection);
  stats_.add(Counter::kHandOffsIn);
  tx_->attach(connection);
  if (connection.phase() == Connection::Phase::kUpload) has_uploads_ = true;
  if (connection.large_pending()) {
    connection.large_placed = now_.mono;
    queue_large(connection);
    if (connection.moving) return;
  }
  if (!connection.output().empty()) dirty_.push_back(connection);
  const bool has_commands = connection.ready_at != Nanos(0);
  if (has_commands || connection.peer_done) run_queue_.push_back(connection);
  if (has_commands && dispatches()) note_return(connection, true);
}

void Worker::leave_queues(Connection& connection) {
  run_queue_.remove(connection);
  dirty_.remove(connection);
  large_queue_.remove(connection);
  starved_.remove(connection);
  note_return(connection, false);
  if (large_rx_ == &connection) large_rx_ = nullptr;
}

// May this core execute the connection's commands, or is it only here for a large value?
bool Worker::belongs_here(const Connection& connection) const {
  return connection.home == config_.self && policy_.serves_small(config_.self, *plan_);
}

// Puts the connection aside until buffers may have become free.
void Worker::starve(Connection& connection) {
  stats_.add(Counter::kBufferDenied);
  if (starved_.empty()) starved_until_ = now_.mono + kStarvedWait;
  starved_.push_back(connection);
}

void Worker::feed_starved() {
  if (starved_.empty() || now_.mono < starved_until_) return;
  while (!starved_.empty()) run_queue_.push_back(starved_.pop_front());
}

// Large work that can go on, if there is any: here, or on the core that the plan in force gives it
// to, which may have changed since the request was placed.
void Worker::queue_large(Connection& connection) {
  if (connection.moving || !connection.large_ready()) return;
  const RequestKind kind =
      connection.output().has_large() ? RequestKind::kRead : RequestKind::kWrite;
  const Placement placement =
      policy_.place({kind, 0, connection.large_value_bytes, config_.self}, *plan_);
  if (placement.where == Placement::Where::kHandOff) {
    hand_off(connection, placement.core);
  } else {
    large_queue_.push_back(connection);
  }
}

// Asks the transport to let go of the connection; connection_detached() sends it on. What precedes
// a large value is flushed first, since it need not wait for the move.
void Worker::hand_off(Connection& connection, CoreId to) {
  DCHECK(to != config_.self);
  leave_queues(connection);
  connection.grant_upload(0);
  connection.moving = true;
  connection.moving_to = to;
  const std::uint64_t before = connection.output().bytes_before_large();
  if (before != 0 && connection.route().writable) tx_->flush(connection, before);
  tx_->detach(connection);
}

void Worker::connection_detached(Connection& connection) {
  leave_queues(connection);
  all_.remove(connection);
  mesh_.note_gone(config_.self);
  if (connection.closing_now) {
    delete &connection;
    return;
  }
  CHECK(connection.moving);
  connection.worker = nullptr;
  stats_.add(Counter::kHandOffsOut);
  outbox_.emplace_back(&connection);
  push_outbox();
}

// Order among the connections of the outbox does not matter: each is its own stream.
void Worker::push_outbox() {
  for (std::size_t i = 0; i < outbox_.size();) {
    const CoreId to = outbox_[i]->moving_to;
    if (!mesh_.try_push(config_.self.value, to, outbox_[i])) {
      stats_.add(Counter::kRingFull);
      ++i;
      continue;
    }
    waker_.wake(to);
    outbox_[i] = std::move(outbox_.back());
    outbox_.pop_back();
  }
}

void Worker::close(Connection& connection) {
  leave_queues(connection);
  connection.closing_now = true;
  tx_->close(connection);
}

void Worker::go_home(Connection& connection) {
  if (connection.home == config_.self) stats_.add(Counter::kMigrated);
  connection.home = small_core_near(connection.home);
  if (connection.home != config_.self) hand_off(connection, connection.home);
}

// `wanted` when it serves small requests; otherwise the next core in turn that does.
CoreId Worker::small_core_near(CoreId wanted) {
  if (policy_.serves_small(wanted, *plan_)) return wanted;
  for (std::uint16_t tried = 0; tried < plan_->core_count(); ++tried) {
    next_small_core_ = static_cast<std::uint16_t>((next_small_core_ + 1) % plan_->core_count());
    if (policy_.serves_small(CoreId{next_small_core_}, *plan_)) return CoreId{next_small_core_};
  }
  CHECK(false && "a plan without a core for small requests");
}

// After a change of role: the connections of a core that no longer serves small requests leave, a
// few a step; those with something under way leave when that is done (see settle()).
void Worker::give_away() {
  for (std::size_t i = 0; i < kMigrationsPerStep && give_away_left_ != 0; ++i) {
    --give_away_left_;
    if (all_.empty()) return;
    Connection& connection = all_.pop_front();
    all_.push_back(connection);
    if (connection.moving || connection.closing_now || connection.errand) continue;
    if (connection.phase() != Connection::Phase::kCommand || !connection.output().empty()) continue;
    go_home(connection);
  }
}

// Once a second, a few connections a step.
void Worker::close_idle() {
  if (!checks_idle() && idle_left_ == 0) return;
  if (now_.mono - idle_checked_ >= kIdleCheckEvery) {
    idle_checked_ = now_.mono;
    idle_left_ = all_.size();
    has_uploads_ = false;
    const std::uint64_t refused = store_.drafts_refused();
    uploads_refused_ = refused != std::exchange(drafts_refused_, refused);
  }
  for (std::size_t i = 0; i < kMigrationsPerStep && idle_left_ != 0; ++i) {
    --idle_left_;
    if (all_.empty()) return;
    Connection& connection = all_.pop_front();
    all_.push_back(connection);
    if (connection.phase() == Connection::Phase::kUpload) has_uploads_ = true;
    if (!connection.moving && !connection.closing_now) close_if_idle(connection);
  }
}

void Worker::close_if_idle(Connection& connection) {
  const Nanos idle = now_.mono - connection.last_active;
  const bool timed_out = config_.idle_timeout != Nanos(0) && idle >= config_.idle_timeout;
  const bool gives_way = uploads_refused_ && idle >= kUploadStallMax &&
                         connection.phase() == Connection::Phase::kUpload;
  if (!timed_out && !gives_way) return;
  stats_.add(timed_out ? Counter::kIdleClosed : Counter::kStalledUploads);
  close(connection);
}

// The idle core takes over connections whose requests would wait here behind others.
void Worker::offer_to_idle() {
  if (run_queue_.size() < 2 || plan_->core_count() < 2) return;
  std::uint32_t offer = policy_.offer_to_idle(load_facts(), *plan_);
  const auto movable = [](const Connection& connection) {
    return connection.phase() == Connection::Phase::kCommand && !connection.large_pending();
  };
  if (offer == 0 || !movable(run_queue_.back())) return;
  for (std::uint16_t i = 0; i < plan_->core_count(); ++i) {
    const CoreId core{i};
    if (core == config_.self || !policy_.serves_small(core, *plan_)) continue;
    if (mesh_.sleeps(core) && offer < kOfferWorthWaking) continue;
    if (!mesh_.claim_idle(core)) continue;
    while (offer-- > 0 && run_queue_.size() > 1 && movable(run_queue_.back())) {
      Connection& connection = run_queue_.back();
      connection.home = core;
      stats_.add(Counter::kOffered);
      hand_off(connection, core);
    }
    return;
  }
}

// After a connection was run: what it waits for next.
void Worker::settle(Connection& connection, bool exhausted) {
  if (connection.moving || connection.closing_now) return;
  connection.compact_input();
  const bool drained = connection.output().empty();
  if (drained) connection.output().clear(buffers_);  // room that no reply was put into
  if (exhausted) connection.ready_at = Nanos(0);
  if (connection.peer_done && exhausted) connection.begin_closing();
  if (connection.phase() == Connection::Phase::kClosing) {
    if (drained) close(connection);
    return;
  }
  // A guest stays while it has input, unless others wait for an idle core.
  if (runs_guests() && !connection.cut) connection.errand = !exhausted && !idle_awaited();
  const bool away = !belongs_here(connection) && !connection.errand &&
                    connection.phase() == Connection::Phase::kCommand;
  if (away && drained) {
    go_home(connection);
    if (connection.moving) return;
  }
  if (!exhausted && std::exchange(connection.starving, false)) {
    starve(connection);
  } else if (!exhausted && connection.runnable() && !away) {  // away: note_sent() sends it home
    run_queue_.push_back(connection);
  }
  queue_large(connection);
  if (connection.wants_input() && connection.route().readable && !connection.route().queued) {
    tx_->resume(connection);
  }
}

}  // namespace minos
