// Software hand-off: dispatchers own the connections and give those with input to idle workers; a
// worker runs what came with one, and sends it home.

#include <algorithm>

#include "worker/idle_workers.h"
#include "worker/worker.h"

namespace minos {

bool Worker::dispatches() const {
  return plan_->role(config_.self) == CoreRole::kDispatcher;
}

bool Worker::runs_guests() const {
  return plan_->role(config_.self) == CoreRole::kWorker;
}

// Ready connections leave in the order in which they became ready. Those for which no worker is
// idle stay in run_queue_: until one is, this core may sleep.
void Worker::dispatch_ready() {
  while (!run_queue_.empty()) {
    Connection& connection = run_queue_.front();
    if (connection.ready_at == Nanos(0) || !connection.has_input()) {
      run_queue_.remove(connection);
      note_return(connection, false);
      settle(connection, true);
      continue;
    }
    const std::optional<CoreId> worker = claim_worker(mesh_, *plan_, config_.self);
    if (!worker) break;
    connection.errand = true;
    ++report_.connections_run;
    hand_off(connection, *worker);
  }
  waiting_ = run_queue_.size();
  const bool datagrams_wait = datagrams_ && datagrams_->awaits_worker();
  if (waiting_ == 0 && !datagrams_wait) mesh_.stop_awaiting(config_.self);
}

void Worker::note_return(Connection& connection, bool came_back) {
  if (connection.came_back == came_back) return;
  connection.came_back = came_back;
  came_back_ = came_back ? came_back_ + 1 : came_back_ - 1;
}

// Streams to read from while others wait for a worker: each of them holds a buffer. Those that came
// back with one do not count, or they could keep all others from being read for ever.
std::uint32_t Worker::read_ahead() const {
  const std::size_t read = run_queue_.size() - std::min(came_back_, run_queue_.size());
  return config_.burst_requests -
         static_cast<std::uint32_t>(std::min<std::size_t>(read, config_.burst_requests));
}

// This core has nothing to do: whoever waits for such a core is to know.
void Worker::note_idle() {
  if (dispatches() || !mesh_.note_idle(config_.self)) return;
  // Guests bring the buffers that their dispatcher read into, and leave without.
  if (runs_guests()) buffers_.trim();
  for (std::uint16_t i = 0; i < plan_->core_count(); ++i) {
    const CoreId core{i};
    if (plan_->role(core) != CoreRole::kDispatcher) break;  // they are the first
    if (mesh_.take_awaiting(core)) waker_.wake(core);
  }
}

// Do connections wait for an idle worker? A guess.
bool Worker::idle_awaited() const {
  for (std::uint16_t i = 0; i < plan_->core_count(); ++i) {
    const CoreId core{i};
    if (plan_->role(core) != CoreRole::kDispatcher) break;
    if (mesh_.awaits_idle(core)) return true;
  }
  return false;
}

}  // namespace minos
