#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/histogram.h"
#include "base/units.h"
#include "load/datagram_loop.h"
#include "load/options.h"
#include "load/recorder.h"

namespace minos {

struct LoadProgress {
  enum class Phase : std::uint8_t { kPreload, kRun };
  Phase phase = Phase::kPreload;
  std::uint64_t done = 0;  // keys of a preload, milliseconds of a run
  std::uint64_t total = 0;
  Nanos elapsed{0};
};

struct LoadHooks {
  // Called a few times a second, and once with done == total when a phase went through. May be
  // empty.
  std::function<void(const LoadProgress&)> progress;
  // Ends the load early when it becomes true; may be null.
  const std::atomic<bool>* interrupted = nullptr;
  // Where the protocol is datagrams, on the thread that calls run_load(). Empty: kernel UDP.
  OpenChannels open_channels;
};

// The outcome of a load; what is missing was not reached.
struct LoadReport {
  std::string error;          // why it did not go through, empty when it did
  std::string first_refusal;  // the first error reply, empty when there was none

  std::uint64_t preloaded = 0;
  std::uint64_t preload_refused = 0;
  Nanos preload_time{0};

  Nanos window{0};  // how long was measured: --duration, or less after an error
  std::optional<Recorder> recorder;
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0;
  std::uint64_t unissued = 0;
  std::uint64_t unanswered = 0;
  std::optional<SessionCounters> datagrams;  // of the run, where the protocol is datagrams
};

// Connects, preloads and runs, as asked. `options` have passed check_options().
LoadReport run_load(const LoadOptions& options, const LoadHooks& hooks);

}  // namespace minos
