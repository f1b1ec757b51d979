#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "load/client_loop.h"
#include "load/options.h"
#include "load/recorder.h"

namespace minos {

// One thread's share of a load: connections, keys to preload and requests to make. Its phases
// follow each other, each called by one thread; between them the owner may read everything.
class LoadThread {
 public:
  // `index` in [0, options.threads). `stop` ends every phase early; `options` and `keys` outlive
  // the thread.
  LoadThread(const LoadOptions& options, const KeySpace& keys, std::uint32_t index,
             std::atomic<bool>& stop);

  void connect();
  void preload();
  // Warms up from `start` on, then measures; returns when every reply is there or none will come.
  void run(Nanos start);

  // Empty while all is well. A failure also sets `stop`.
  const std::string& failure() const { return loop_.failure(); }
  std::string first_refusal() const { return loop_.first_refusal(); }

  // Any thread may read these two.
  std::uint64_t preloaded() const { return preloaded_.get(); }
  std::uint64_t preload_refused() const { return preload_refused_.get(); }

  // After run(). Only what belongs to the window.
  const Recorder& recorder() const { return *recorder_; }
  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }
  std::uint64_t unissued() const { return unissued_; }  // due, but never sent
  std::uint64_t unanswered() const { return loop_.outstanding(); }

 private:
  class Spreader;

  void pin() const;
  void run_open(Nanos start, Nanos end);
  void run_closed(Nanos start, Nanos end);
  void drain(Nanos end);
  void record_arrived();
  void enter_window(Nanos now);
  void leave_window();
  bool running();

  const LoadOptions& options_;
  const KeySpace& keys_;
  std::uint32_t index_;
  std::atomic<bool>& stop_;
  ClientLoop loop_;
  std::vector<ClientLoop::Arrived> arrived_;
  std::optional<Recorder> recorder_;
  Nanos window_start_{0};
  Nanos silence_checked_{0};
  bool in_window_ = false;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t unissued_ = 0;
  SharedCounter preloaded_;
  SharedCounter preload_refused_;
};

}  // namespace minos
