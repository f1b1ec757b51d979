#include "load/datagram_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <span>
#include <utility>

#include "base/check.h"
#include "load/datagram_counters.h"

namespace minos {
namespace {

constexpr std::size_t kBatchDatagrams = 64;
// Sent on one connection before something is received again.
constexpr int kBatchesPerFlush = 4;

// Of a preload, on each connection. A server drops what its socket has no room for.
constexpr std::uint32_t kPreloadDepth = 32;
constexpr std::uint64_t kPreloadBytesMax = 256 * 1024;

// One of several channels cannot be waited for longer than this: the others may have something.
constexpr Nanos kTurn = micros(50);

// How far a connection's timers go in a round after which more may have arrived: what arrived in
// time is not late, however long this thread was kept from looking.
constexpr Nanos kTimersBehindStep = millis(1);

constexpr std::size_t kQuotedBytesMax = 100;

}  // namespace

DatagramLoop::DatagramLoop(DatagramChannels channels, const KeySpace& keys, const Options& options)
    : keys_(keys), options_(options), batch_(kBatchDatagrams) {
  CHECK(!channels.empty());
  std::uint64_t seed = options.seed;
  for (auto& channel : channels) {
    const SessionOptions session{.seed = splitmix64(seed),
                                 .requests_max = options.requests_max,
                                 .timeout = options.timeout,
                                 .window_bytes = channel->window_bytes()};
    connections_.push_back(
        {.channel = std::move(channel), .session = std::make_unique<DatagramSession>(session)});
  }
}

bool DatagramLoop::preload_room(std::uint32_t connection) const {
  const Connection& to = connections_[connection];
  return to.session->outstanding() < std::min(kPreloadDepth, options_.requests_max) &&
         to.value_bytes < kPreloadBytesMax;
}

void DatagramLoop::push(std::uint32_t connection, const LoadRequest& request, Nanos scheduled,
                        Nanos now) {
  Connection& to = connections_[connection];
  if (to.session->outstanding() == 0) to.heard = to.timers = now;
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(requests_.size()));
    requests_.emplace_back();
  }
  const std::uint32_t tag = free_.back();
  free_.pop_back();
  requests_[tag] = {request, scheduled};
  const KeySpace::Key key = keys_.key(request.key);
  SessionRequest out;
  out.op = DatagramOp::kGet;
  out.key = {key.data(), key.size()};
  out.tag = tag;
  if (request.op == LoadOp::kSet) {
    out.op = DatagramOp::kSet;
    out.value = keys_.value(request.key, request.value_bytes);
    to.value_bytes += request.value_bytes;
  }
  const auto taken = to.session->submit(out, now);
  CHECK(taken.has_value());
  ++outstanding_;
}

void DatagramLoop::flush() {
  const Nanos now = options_.clock();
  more_to_send_ = false;
  for (Connection& connection : connections_) {
    if (connection.session->outstanding() == 0) continue;
    std::size_t taken = kBatchDatagrams;
    for (int i = 0; i < kBatchesPerFlush && taken == kBatchDatagrams; ++i) {
      if (connection.channel->room() < kBatchDatagrams) break;
      taken = connection.session->take_datagrams(batch_, now);
      if (taken == 0) break;
      const std::span<const OutDatagram> out(batch_.data(), taken);
      connection.channel->send(out);
      for (const OutDatagram& datagram : out) bytes_out_ += datagram.bytes();
    }
    more_to_send_ = more_to_send_ || taken == kBatchDatagrams;
  }
}

void DatagramLoop::poll(Nanos wait, std::vector<Arrived>& out) {
  if (wait > Nanos(0) && !more_to_send_) wait_for_any(wait);
  for (std::uint32_t i = 0; i < connections() && failure_.empty(); ++i) {
    // Of one that waits for nothing, only what came too late could be received.
    if (connections_[i].session->outstanding() > 0 || connections() == 1) receive(i, out);
  }
}

void DatagramLoop::wait_for_any(Nanos wait) {
  const Nanos now = options_.clock();
  std::uint32_t busy = 0;
  for (const Connection& connection : connections_) {
    if (connection.session->outstanding() == 0) continue;
    ++busy;
    wait = std::min(wait, connection.session->next_timer() - now);
  }
  if (wait <= Nanos(0)) return;
  if (connections() > 1 && busy > 0) wait = std::min(wait, kTurn);
  for (std::uint32_t i = 0; i < connections(); ++i) {
    next_waited_ = (next_waited_ + 1) % connections();
    if (busy == 0 || connections_[next_waited_].session->outstanding() > 0) break;
  }
  connections_[next_waited_].channel->wait(wait);
}

void DatagramLoop::receive(std::uint32_t index, std::vector<Arrived>& out) {
  Connection& from = connections_[index];
  received_.clear();
  from.channel->receive(received_);
  const Nanos at = options_.clock();
  if (!received_.empty()) from.heard = at;
  for (const InDatagram& datagram : received_) {
    bytes_in_ += datagram.bytes.size();
    from.session->receive(datagram, at);
  }
  if (received_.empty()) from.looked = at;
  from.timers = received_.empty() ? at : std::min(at, from.timers + kTimersBehindStep);
  from.session->advance(from.timers);
  std::vector<Completion>& completions = from.session->completions();
  for (const Completion& completion : completions) finish(index, completion, at, out);
  completions.clear();
}

void DatagramLoop::finish(std::uint32_t index, const Completion& completion, Nanos at,
                          std::vector<Arrived>& out) {
  const auto tag = static_cast<std::uint32_t>(completion.tag);
  const Outstanding& done = requests_[tag];
  Connection& from = connections_[index];
  if (done.request.op == LoadOp::kSet) from.value_bytes -= done.request.value_bytes;
  const ReplyStatus status = status_of(done.request, completion);
  out.push_back({.done = {.request = done.request, .status = status, .scheduled = done.scheduled},
                 .connection = index,
                 .at = at});
  free_.push_back(tag);
  --outstanding_;
  // A closed loop replaces what timed out, so that silence would never be long enough for
  // check_silence().
  if (status == ReplyStatus::kNone && at - from.heard >= options_.timeout) fail_silent(index);
}

ReplyStatus DatagramLoop::status_of(const LoadRequest& request, const Completion& completion) {
  switch (completion.status) {
    case ClientStatus::kOk:
      break;
    case ClientStatus::kTimeout:
      return ReplyStatus::kNone;
    case ClientStatus::kNotFound:
      if (request.op == LoadOp::kGet) return ReplyStatus::kMiss;
      [[fallthrough]];
    default:
      note_refusal(completion);
      return ReplyStatus::kRefused;
  }
  if (request.op == LoadOp::kSet) return ReplyStatus::kStored;
  const std::string_view value = completion.value();
  if (value.size() != request.value_bytes) return ReplyStatus::kWrongSize;
  if (options_.verify && value != keys_.value(request.key, request.value_bytes)) {
    return ReplyStatus::kWrongContent;
  }
  return ReplyStatus::kHit;
}

void DatagramLoop::note_refusal(const Completion& completion) {
  if (!first_refusal_.empty()) return;
  first_refusal_ = status_text(completion.status);
  if (completion.small.empty()) return;
  first_refusal_ += ": ";
  for (const char c : completion.small.substr(0, kQuotedBytesMax)) {
    first_refusal_ += c >= ' ' && c <= '~' ? c : '?';
  }
}

void DatagramLoop::check_silence(Nanos /*now*/) {
  for (std::uint32_t i = 0; i < connections(); ++i) {
    const Connection& connection = connections_[i];
    if (connection.session->outstanding() == 0) continue;
    if (connection.looked - connection.heard > options_.timeout) fail_silent(i);
  }
}

void DatagramLoop::fail_silent(std::uint32_t index) {
  if (!failure_.empty()) return;
  const double timeout_s = std::chrono::duration<double>(options_.timeout).count();
  failure_ = fmt::format(
      "socket {} of {} to {}: the server has not answered for {} s ({} requests outstanding on it)",
      index + 1, connections(), options_.server, timeout_s, outstanding_on(index));
}

std::optional<SessionCounters> DatagramLoop::datagrams() const {
  SessionCounters sum;
  for (const Connection& connection : connections_) {
    sum = combined(sum, connection.session->counters(), std::plus());
  }
  return sum;
}

}  // namespace minos
