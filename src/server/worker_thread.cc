#include "server/worker_thread.h"

#include <pthread.h>
#include <sched.h>

#include <bit>
#include <utility>

namespace minos {

WorkerThread::WorkerThread(const Options& options, const SteadyClock& clock,
                           std::unique_ptr<Worker> worker, std::unique_ptr<Network> network)
    : options_(options), clock_(clock), network_(std::move(network)), worker_(std::move(worker)) {}

WorkerThread::~WorkerThread() {
  stop();
}

void WorkerThread::start(std::function<void(CoreId)> wake_core, std::function<void()> shutdown) {
  wake_core_ = std::move(wake_core);
  shutdown_ = std::move(shutdown);
  thread_ = std::thread([this] { run(); });
}

void WorkerThread::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_relaxed);
  wake();
  thread_.join();
}

ThreadUse WorkerThread::use() const {
  const clockid_t clock = cpu_clock_.load(std::memory_order_relaxed);
  timespec spent{};
  if (clock != 0) ::clock_gettime(clock, &spent);
  return {std::chrono::seconds(spent.tv_sec) + Nanos(spent.tv_nsec), rests_.get()};
}

void WorkerThread::run() {
  clockid_t clock = 0;
  if (::pthread_getcpuclockid(::pthread_self(), &clock) == 0) {
    cpu_clock_.store(clock, std::memory_order_relaxed);
  }
  if (options_.cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(*options_.cpu, &cpus);
    // Checked against the machine before any thread was started.
    ::pthread_setaffinity_np(::pthread_self(), sizeof cpus, &cpus);
  }
  std::vector<std::shared_ptr<void>> held;
  for (const auto& enter : options_.enter) held.push_back(enter());
  while (!stopping_.load(std::memory_order_relaxed)) {
    receive();
    const Now now{rx_.arrived, SteadyClock::unix_now()};
    const StepReport report = worker_->step(now, rx_, tx_);
    network_->send(tx_);
    if (worker_->has_wakes()) wake_others();
    if (report.shutdown) shutdown_();
    if (network_->can_sleep()) continue;
    // A dispatcher serves nothing of what it receives.
    const bool worked = report.requests != 0 || report.quantum_bytes != 0 || !rx_.events.empty() ||
                        !rx_.packets.empty();
    if (pause_.after_round(worked)) rests_.add(1);
  }
}

void WorkerThread::receive() {
  RxPlan plan = worker_->rx_plan();
  rx_.clear();
  if (network_->take_datagrams(plan, rx_) || !network_->can_sleep()) plan.block = Nanos(0);
  if (plan.block == Nanos(0)) {
    idle_since_ = Nanos(0);
  } else if (options_.busy_poll > Nanos(0)) {
    const Nanos now = clock_.now();
    if (idle_since_ == Nanos(0)) idle_since_ = now;
    if (now - idle_since_ < options_.busy_poll) plan.block = Nanos(0);
  }
  if (plan.block != Nanos(0) && !worker_->prepare_sleep()) plan.block = Nanos(0);
  if (plan.block != Nanos(0)) rests_.add(1);
  network_->receive(plan, rx_);
  worker_->awake();
  if (!rx_.events.empty() || !rx_.packets.empty()) idle_since_ = Nanos(0);
  rx_.arrived = clock_.now();
}

void WorkerThread::wake_others() {
  const auto wakes = worker_->take_wakes();
  for (std::size_t word = 0; word < wakes.size(); ++word) {
    for (std::uint64_t left = wakes[word]; left != 0; left &= left - 1) {
      const auto bit = static_cast<std::size_t>(std::countr_zero(left));
      wake_core_(CoreId{static_cast<std::uint16_t>(word * 64 + bit)});
    }
  }
}

}  // namespace minos
