#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "load/datagram_loop.h"
#include "load/load_loop.h"
#include "load/options.h"
#include "load/recorder.h"

namespace minos {

// One thread's share of a load: connections, keys to preload and requests to make. Its phases
// follow each other, each called by one thread; between them the owner may read everything.
class LoadThread {
 public:
  // `index` in [0, options.threads). `stop` ends every phase early; `options` and `keys` outlive
  // the thread. The rest goes on only after connect() succeeded.
  LoadThread(const LoadOptions& options, const KeySpace& keys, std::uint32_t index,
             std::atomic<bool>& stop);

  // `open_channels` only where the protocol is datagrams.
  void connect(const OpenChannels& open_channels);
  void preload();
  // Warms up from `start` on, then measures; returns when every reply is there or none will come.
  void run(Nanos start);

  // Empty while all is well. A failure also sets `stop`.
  const std::string& failure() const { return loop_ ? loop_->failure() : failure_; }
  std::string first_refusal() const { return loop_ ? loop_->first_refusal() : std::string(); }

  // Any thread may read these two.
  std::uint64_t preloaded() const { return preloaded_.get(); }
  std::uint64_t preload_refused() const { return preload_refused_.get(); }

  // After run(). Only what belongs to the window.
  const Recorder& recorder() const { return *recorder_; }
  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }
  std::uint64_t unissued() const { return unissued_; }  // due, but never sent
  std::uint64_t unanswered() const { return unanswered_ + loop_->outstanding(); }
  // Of the whole run(): nothing over TCP.
  const std::optional<SessionCounters>& datagrams() const { return datagrams_; }

 private:
  class Spreader;

  std::expected<std::unique_ptr<LoadLoop>, std::string> open(const OpenChannels& open_channels);
  std::uint32_t requests_max(std::uint32_t connections) const;
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
  std::unique_ptr<LoadLoop> loop_;
  std::string failure_;  // of connect()
  std::vector<LoadLoop::Arrived> arrived_;
  std::optional<Recorder> recorder_;
  Nanos window_start_{0};
  Nanos silence_checked_{0};
  bool in_window_ = false;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::uint64_t unissued_ = 0;
  std::uint64_t unanswered_ = 0;
  std::optional<SessionCounters> datagrams_;
  SharedCounter preloaded_;
  SharedCounter preload_refused_;
};

}  // namespace minos
