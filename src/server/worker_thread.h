#pragma once

#include <time.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/histogram.h"
#include "server/steady_clock.h"
#include "transport/dpdk/poll_pause.h"
#include "transport/network.h"
#include "worker/worker.h"

namespace minos {

// Of a thread.
struct ThreadUse {
  Nanos cpu_time{0};        // on a CPU
  std::uint64_t rests = 0;  // times that it slept, or offered its CPU to others
};

// A worker and its network under one thread, pinned if asked: receive, step, send, until stopped.
class WorkerThread {
 public:
  struct Options {
    std::optional<std::uint32_t> cpu;
    Nanos busy_poll{0};  // how long to look for work before sleeping
    // What the thread holds while it runs.
    std::vector<std::function<std::shared_ptr<void>()>> enter;
  };

  WorkerThread(const Options& options, const SteadyClock& clock, std::unique_ptr<Worker> worker,
               std::unique_ptr<Network> network);
  ~WorkerThread();

  // `wake_core` ends the sleep of another worker; `shutdown` is called when a client asked for it.
  void start(std::function<void(CoreId)> wake_core, std::function<void()> shutdown);
  void stop();
  void wake() { network_->wake(); }

  // So far. Any thread, as long as this one runs.
  ThreadUse use() const;

 private:
  void run();
  void receive();
  void wake_others();

  Options options_;
  const SteadyClock& clock_;
  std::unique_ptr<Network> network_;
  std::unique_ptr<Worker> worker_;
  std::function<void(CoreId)> wake_core_;
  std::function<void()> shutdown_;
  // Relaxed: the wake() that follows a store makes the loop look again; joining orders the rest.
  std::atomic<bool> stopping_{false};
  // Of the thread; relaxed, a number by itself. 0: it has not begun.
  std::atomic<clockid_t> cpu_clock_{0};
  SharedCounter rests_;
  Rx rx_;
  Tx tx_;
  Nanos idle_since_{0};
  PollPause pause_;
  std::thread thread_;
};

}  // namespace minos
