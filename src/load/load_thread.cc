#include "load/load_thread.h"

#include <pthread.h>

#include <algorithm>
#include <functional>
#include <random>
#include <utility>

#include "load/arrivals.h"
#include "load/client_loop.h"
#include "load/datagram_counters.h"
#include "load/request_stream.h"

namespace minos {
namespace {

// A server that falls behind must not make the client's memory grow without end: further requests
// are then sent late, which latency and lateness both show.
constexpr std::uint64_t kOutstandingMax = 1 << 17;

// Replies are looked at after so many requests, however many are due.
constexpr int kIssueBurst = 64;

// Of a datagram connection. Room for a request takes half a KiB.
constexpr std::int64_t kRequestsMin = 256;
constexpr std::int64_t kRequestsMax = 65'535;

constexpr Nanos kSilenceCheckEvery = millis(20);
constexpr Nanos kSleepMax = millis(20);

// This thread's part of `total` that is split over `threads`.
std::pair<std::uint32_t, std::uint32_t> share_of(std::int64_t total, std::int64_t threads,
                                                 std::uint32_t index) {
  const auto part = [&](std::int64_t i) { return static_cast<std::uint32_t>(total * i / threads); };
  return {part(index), part(index + std::int64_t{1})};
}

std::uint64_t seed_for(std::int64_t seed, std::uint32_t thread, std::uint64_t purpose) {
  std::uint64_t state = static_cast<std::uint64_t>(seed) * 1024 + thread * 8ULL + purpose;
  return splitmix64(state);
}

}  // namespace

// Chooses connections for an open loop.
class LoadThread::Spreader {
 public:
  Spreader(Spread spread, std::uint32_t connections, std::uint64_t seed)
      : spread_(spread), connections_(connections), prng_(seed), idle_(connections) {
    for (std::uint32_t i = 0; i < connections; ++i) idle_[i] = i;
    idle_count_ = connections;
  }

  std::uint32_t choose() {
    if (spread_ == Spread::kRandom) return static_cast<std::uint32_t>(prng_.below(connections_));
    if (spread_ == Spread::kIdle && idle_count_ > 0) {
      --idle_count_;
      return idle_[std::exchange(idle_front_, (idle_front_ + 1) % connections_)];
    }
    return std::exchange(next_, (next_ + 1) % connections_);
  }

  // The connection has nothing outstanding any more.
  void idle(std::uint32_t connection) {
    if (spread_ != Spread::kIdle) return;
    idle_[(idle_front_ + idle_count_) % connections_] = connection;
    ++idle_count_;
  }

 private:
  Spread spread_;
  std::uint32_t connections_;
  Prng prng_;
  std::vector<std::uint32_t> idle_;  // a ring, longest idle first
  std::uint32_t idle_front_ = 0;
  std::uint32_t idle_count_ = 0;
  std::uint32_t next_ = 0;
};

LoadThread::LoadThread(const LoadOptions& options, const KeySpace& keys, std::uint32_t index,
                       std::atomic<bool>& stop)
    : options_(options), keys_(keys), index_(index), stop_(stop) {}

void LoadThread::pin() const {
  if (options_.cpus.empty()) return;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<std::size_t>(options_.cpus[index_ % options_.cpus.size()]), &cpus);
  ::pthread_setaffinity_np(::pthread_self(), sizeof(cpus), &cpus);
}

void LoadThread::connect(const OpenChannels& open_channels) {
  auto opened = open(open_channels);
  if (opened) {
    loop_ = std::move(*opened);
  } else {
    failure_ = opened.error();
    stop_ = true;
  }
}

std::expected<std::unique_ptr<LoadLoop>, std::string> LoadThread::open(
    const OpenChannels& open_channels) {
  const auto [first, end] = share_of(options_.connection_count(), options_.threads, index_);
  const std::uint32_t count = end - first;
  if (is_datagrams(options_.protocol)) {
    auto channels = open_channels(index_, count);
    if (!channels) return std::unexpected(channels.error());
    std::random_device random;
    return std::make_unique<DatagramLoop>(
        std::move(*channels), keys_,
        DatagramLoop::Options{.verify = options_.verify,
                              .timeout = options_.timeout(),
                              .requests_max = requests_max(count),
                              .seed = std::uint64_t{random()} << 32 | random(),
                              .server = options_.server.text()});
  }
  auto loop =
      std::make_unique<ClientLoop>(protocol_of(options_.protocol), keys_,
                                   ClientLoop::Options{.verify = options_.verify,
                                                       .kernel_times = options_.kernel_times,
                                                       .timeout = options_.timeout()});
  if (auto connected = loop->connect(options_.server, count); !connected) {
    return std::unexpected(connected.error());
  }
  return loop;
}

// Outstanding on one of so many datagram connections.
std::uint32_t LoadThread::requests_max(std::uint32_t connections) const {
  const std::int64_t wanted = options_.open_loop() ? std::int64_t{kOutstandingMax} / connections
                                                   : options_.depth.value_or(1);
  return static_cast<std::uint32_t>(std::clamp(wanted, kRequestsMin, kRequestsMax));
}

bool LoadThread::running() {
  const Nanos now = monotonic_now();
  if (now - silence_checked_ >= kSilenceCheckEvery) {
    silence_checked_ = now;
    loop_->check_silence(now);
  }
  if (!loop_->failure().empty()) stop_.store(true, std::memory_order_relaxed);
  return !stop_.load(std::memory_order_relaxed);
}

// Large keys are left out where no request will ask for them.
void LoadThread::preload() {
  pin();
  const std::int64_t total = options_.keys + (options_.large_percent > 0 ? options_.large_keys : 0);
  auto [next, end] = share_of(total, options_.threads, index_);
  while (running() && (next < end || loop_->outstanding() > 0)) {
    const Nanos now = monotonic_now();
    for (std::uint32_t i = 0; i < loop_->connections() && next < end; ++i) {
      while (next < end && loop_->preload_room(i)) {
        loop_->push(i, request_for(keys_, next++, LoadOp::kSet), now, now);
      }
    }
    loop_->flush();
    arrived_.clear();
    loop_->poll(millis(10), arrived_);
    for (const LoadLoop::Arrived& arrived : arrived_) {
      if (arrived.done.status != ReplyStatus::kStored) preload_refused_.add(1);
    }
    preloaded_.add(arrived_.size());
  }
  // A closed loop would replace them.
  arrived_.clear();
}

void LoadThread::run(Nanos start) {
  pin();
  window_start_ = start + options_.warmup();
  const Nanos end = window_start_ + options_.duration();
  recorder_.emplace(window_start_, end, millis(options_.slice_ms));
  bytes_in_ = bytes_out_ = 0;
  in_window_ = false;
  const std::optional<SessionCounters> before = loop_->datagrams();
  if (options_.open_loop()) {
    run_open(start, end);
  } else {
    run_closed(start, end);
  }
  leave_window();
  drain(end);
  recorder_->finish();
  if (before) datagrams_ = combined(*loop_->datagrams(), *before, std::minus());
}

void LoadThread::run_open(Nanos start, Nanos end) {
  RequestStream requests(keys_, {.large_share = options_.large_percent / 100,
                                 .get_share = options_.get_ratio,
                                 .zipf_theta = options_.zipf,
                                 .seed = seed_for(options_.seed, index_, 0)});
  PoissonArrivals arrivals(*options_.rate / static_cast<double>(options_.threads), start,
                           seed_for(options_.seed, index_, 1));
  Spreader spreader(options_.spread.value_or(Spread::kRoundRobin), loop_->connections(),
                    seed_for(options_.seed, index_, 2));
  while (running()) {
    const Nanos now = monotonic_now();
    if (now >= end) break;
    enter_window(now);
    for (int i = 0; i < kIssueBurst && arrivals.next() <= now; ++i) {
      if (loop_->outstanding() >= kOutstandingMax) break;
      const std::uint32_t connection = spreader.choose();
      if (!loop_->has_room(connection)) break;
      recorder_->issued(arrivals.next(), now);
      loop_->push(connection, requests.next(), arrivals.next(), now);
      arrivals.pop();
    }
    loop_->flush();
    loop_->poll(options_.sleep ? std::min(arrivals.next() - now, kSleepMax) : Nanos(0), arrived_);
    std::uint32_t last = loop_->connections();
    for (const LoadLoop::Arrived& arrived : arrived_) {
      const bool seen = std::exchange(last, arrived.connection) == arrived.connection;
      if (!seen && loop_->outstanding_on(last) == 0) spreader.idle(last);
    }
    record_arrived();
  }
  const Nanos stopped = std::min(end, monotonic_now());
  for (; arrivals.next() < stopped; arrivals.pop()) {
    if (arrivals.next() >= window_start_) ++unissued_;
  }
}

void LoadThread::run_closed(Nanos start, Nanos end) {
  RequestStream requests(keys_, {.large_share = options_.large_percent / 100,
                                 .get_share = options_.get_ratio,
                                 .zipf_theta = options_.zipf,
                                 .seed = seed_for(options_.seed, index_, 0)});
  while (running() && monotonic_now() < start) {
  }
  const auto push = [&](std::uint32_t connection, Nanos now) {
    recorder_->issued(now, now);
    loop_->push(connection, requests.next(), now, now);
  };
  for (std::uint32_t i = 0; i < loop_->connections(); ++i) {
    for (std::int64_t j = 0; j < options_.depth.value_or(1); ++j) push(i, monotonic_now());
  }
  while (running()) {
    loop_->flush();
    loop_->poll(options_.sleep ? kSleepMax : Nanos(0), arrived_);
    const Nanos now = monotonic_now();
    if (now >= end) break;
    enter_window(now);
    for (const LoadLoop::Arrived& arrived : arrived_) push(arrived.connection, now);
    record_arrived();
  }
  record_arrived();
}

// Replies to what is already sent, for as long as a server may be silent.
void LoadThread::drain(Nanos end) {
  while (loop_->outstanding() > 0 && running() && monotonic_now() < end + options_.timeout()) {
    loop_->flush();
    loop_->poll(millis(1), arrived_);
    record_arrived();
  }
}

void LoadThread::record_arrived() {
  for (const LoadLoop::Arrived& arrived : arrived_) {
    if (arrived.done.status == ReplyStatus::kNone) {
      ++unanswered_;
      continue;
    }
    recorder_->record(arrived.done, arrived.at);
    if (arrived.kernel_at != Nanos(0)) {
      recorder_->record_kernel(arrived.done, arrived.kernel_at, arrived.at);
    }
  }
  arrived_.clear();
}

void LoadThread::enter_window(Nanos now) {
  if (in_window_ || now < window_start_) return;
  in_window_ = true;
  bytes_in_ = loop_->bytes_in();
  bytes_out_ = loop_->bytes_out();
}

void LoadThread::leave_window() {
  if (!in_window_) return;
  bytes_in_ = loop_->bytes_in() - bytes_in_;
  bytes_out_ = loop_->bytes_out() - bytes_out_;
}

}  // namespace minos
