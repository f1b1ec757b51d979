#include "load/generator.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "client/status.h"
#include "client/udp_channel.h"
#include "load/datagram_counters.h"
#include "load/load_thread.h"

namespace minos {
namespace {

constexpr Nanos kProgressEvery = millis(200);
constexpr Nanos kWakeEvery = millis(20);

OpenChannels udp_channels(const LoadOptions& options) {
  return [&options](std::uint32_t /*thread*/,
                    std::uint32_t count) -> std::expected<DatagramChannels, std::string> {
    DatagramChannels channels;
    while (channels.size() < count) {
      auto channel = UdpChannel::open(options.server, {.single_port = options.single_port});
      if (!channel) return std::unexpected(channel.error());
      channels.push_back(std::move(*channel));
    }
    return channels;
  };
}

// Lets every thread reach its loop before the first request is due.
constexpr Nanos kStartDelay = millis(20);

class Generator {
 public:
  Generator(const LoadOptions& options, const LoadHooks& hooks)
      : options_(options), hooks_(hooks), keys_(options.key_space()) {
    for (std::uint32_t i = 0; i < options.threads; ++i) {
      threads_.emplace_back(options, keys_, i, stop_);
    }
  }

  LoadReport go() {
    const OpenChannels open = hooks_.open_channels ? hooks_.open_channels : udp_channels(options_);
    for (LoadThread& thread : threads_) {
      if (!stop_) thread.connect(open);
    }
    if (!stop_ && options_.preloads()) preload();
    if (!stop_ && !options_.preload_only) run();
    for (const LoadThread& thread : threads_) {
      if (report_.error.empty()) report_.error = thread.failure();
    }
    note_first_refusal();
    const bool interrupted = hooks_.interrupted != nullptr && *hooks_.interrupted;
    if (report_.error.empty() && interrupted) report_.error = "interrupted";
    return std::move(report_);
  }

 private:
  // Runs `work` for each LoadThread on a thread of its own, and reports progress meanwhile.
  template <typename Work, typename Progress>
  void in_parallel(Work work, Progress progress) {
    std::atomic<std::size_t> finished = 0;
    std::vector<std::jthread> running;
    running.reserve(threads_.size());
    for (LoadThread& thread : threads_) {
      running.emplace_back([&] {
        work(thread);
        finished.fetch_add(1, std::memory_order_relaxed);
      });
    }
    Nanos reported = monotonic_now();
    while (finished.load(std::memory_order_relaxed) < threads_.size()) {
      std::this_thread::sleep_for(kWakeEvery);
      if (hooks_.interrupted != nullptr && *hooks_.interrupted) stop_ = true;
      if (monotonic_now() - reported < kProgressEvery) continue;
      reported = monotonic_now();
      if (hooks_.progress) hooks_.progress(progress());
    }
    running.clear();
    if (hooks_.progress && !stop_) hooks_.progress(progress());
  }

  void note_first_refusal() {
    for (const LoadThread& thread : threads_) {
      if (report_.first_refusal.empty()) report_.first_refusal = thread.first_refusal();
    }
  }

  void preload() {
    const Nanos start = monotonic_now();
    const auto total = static_cast<std::uint64_t>(
        options_.keys + (options_.large_percent > 0 ? options_.large_keys : 0));
    const auto progress = [&] {
      LoadProgress out{.phase = LoadProgress::Phase::kPreload, .total = total};
      for (const LoadThread& thread : threads_) out.done += thread.preloaded();
      out.elapsed = monotonic_now() - start;
      return out;
    };
    in_parallel([](LoadThread& thread) { thread.preload(); }, progress);
    report_.preload_time = monotonic_now() - start;
    for (const LoadThread& thread : threads_) {
      report_.preloaded += thread.preloaded();
      report_.preload_refused += thread.preload_refused();
    }
    if (report_.preload_refused == 0) return;
    // Then what was not stored was mostly never answered.
    for (const LoadThread& thread : threads_) {
      if (!thread.failure().empty()) return;
    }
    note_first_refusal();
    // What was not answered at all is no refusal of a loop.
    const std::string_view first = report_.first_refusal.empty()
                                       ? status_text(ClientStatus::kTimeout)
                                       : std::string_view(report_.first_refusal);
    report_.error = fmt::format("the server refused {} of {} values to preload, the first: {}",
                                report_.preload_refused, report_.preloaded, first);
    stop_ = true;
  }

  void run() {
    const Nanos start = monotonic_now() + kStartDelay;
    const Nanos total = options_.warmup() + options_.duration();
    const auto progress = [&] {
      const Nanos elapsed = std::clamp(monotonic_now() - start, Nanos(0), total);
      return LoadProgress{.phase = LoadProgress::Phase::kRun,
                          .done = static_cast<std::uint64_t>(elapsed / millis(1)),
                          .total = static_cast<std::uint64_t>(total / millis(1)),
                          .elapsed = elapsed};
    };
    in_parallel([&](LoadThread& thread) { thread.run(start); }, progress);
    const Nanos window_start = start + options_.warmup();
    const Nanos ended = stop_ ? std::min(monotonic_now(), start + total) : start + total;
    report_.window = std::max(ended - window_start, Nanos(0));
    for (const LoadThread& thread : threads_) {
      if (report_.recorder) {
        report_.recorder->merge(thread.recorder());
      } else {
        report_.recorder = thread.recorder();
      }
      report_.bytes_in += thread.bytes_in();
      report_.bytes_out += thread.bytes_out();
      report_.unissued += thread.unissued();
      report_.unanswered += thread.unanswered();
      if (const auto& counters = thread.datagrams()) {
        report_.datagrams =
            combined(report_.datagrams.value_or(SessionCounters()), *counters, std::plus());
      }
    }
    if (!stop_ && report_.unanswered > 0) {
      report_.error = fmt::format(
          "the server had not answered {} requests {} s {}", report_.unanswered, options_.timeout_s,
          is_datagrams(options_.protocol) ? "after they were sent" : "after the end");
    }
  }

  const LoadOptions& options_;
  const LoadHooks& hooks_;
  KeySpace keys_;
  std::atomic<bool> stop_ = false;
  std::deque<LoadThread> threads_;
  LoadReport report_;
};

}  // namespace

LoadReport run_load(const LoadOptions& options, const LoadHooks& hooks) {
  return Generator(options, hooks).go();
}

}  // namespace minos
