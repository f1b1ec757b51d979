#include "client/datagram_session.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace minos {
namespace {

constexpr Nanos kWriteTimeoutMax = std::chrono::seconds(60);
constexpr std::size_t kQueuesMax = 256;
constexpr int kRetryAfterFactorMax = 4;
// Of what a client asks for before it knows how large the value is.
constexpr std::uint32_t kFirstWindowBytesMax = 64 * 1024;
constexpr std::uint32_t kWindowBytesMin = 16 * 1024;
constexpr std::uint32_t kWriteId = 1U << 31;
constexpr std::uint16_t kDatagramBytesMin = 600;
static_assert(kDatagramBytesMin >= kDatagramFrontBytesMax + kFragmentBytesMin);

// How many keys a multi-get asks for; 0 when it breaks the format.
std::uint32_t count_keys(std::string_view payload) {
  std::uint32_t keys = 0;
  while (take_key(payload)) ++keys;
  return payload.empty() ? keys : 0;
}

}  // namespace

DatagramSession::DatagramSession(const SessionOptions& options)
    : options_(options),
      prng_(options.seed),
      session_(static_cast<std::uint32_t>(prng_.next())),
      slot_mask_(std::bit_ceil(options.requests_max + 1) - 1),
      slots_(new Slot[options.requests_max + 1]),
      hello_(slots_[0]),
      by_queue_(new Queue[kQueuesMax]) {
  CHECK(options.requests_max >= 1 && options.requests_max <= 65535);
  CHECK(options.datagram_bytes_max >= kDatagramBytesMin &&
        options.datagram_bytes_max <= kDatagramBytesMax);
  // Ids begin anywhere: replies to an earlier user of our port may still come.
  for (std::uint32_t i = options.requests_max; i > 0; --i) free_.push_back(slots_[i]);
  for (std::uint32_t i = 0; i <= options.requests_max; ++i) {
    slots_[i].generation = static_cast<std::uint32_t>(prng_.next());
  }
  hello_.deadline = Nanos::max();
  completions_.reserve(options.requests_max);
}

DatagramSession::~DatagramSession() {
  for (std::uint32_t i = 0; i <= options_.requests_max; ++i) {
    Slot& slot = slots_[i];
    timers_.disarm(slot);
    by_queue_[slot.queue.value].unanswered.remove(slot);
    leave_list(slot);
    free_.remove(slot);
  }
}

ClientStatus DatagramSession::check(const SessionRequest& request) const {
  const std::size_t key_bytes = request.key.size();
  if (has_key(request.op) ? key_bytes == 0 || key_bytes > kKeyBytesMax : key_bytes != 0) {
    return ClientStatus::kInvalid;
  }
  if (is_store(request.op)) {
    return request.value.size() <= kItemBytesMax ? ClientStatus::kOk : ClientStatus::kTooLarge;
  }
  if (request.value.size() + kDatagramHeaderBytes > options_.datagram_bytes_max) {
    return ClientStatus::kInvalid;
  }
  const bool has_payload = request.op == DatagramOp::kMultiGet || request.op == DatagramOp::kStats;
  return request.value.empty() || has_payload ? ClientStatus::kOk : ClientStatus::kInvalid;
}

std::expected<void, ClientStatus> DatagramSession::submit(const SessionRequest& request,
                                                          Nanos now) {
  if (const auto status = check(request); status != ClientStatus::kOk) {
    return std::unexpected(status);
  }
  const bool multi = request.op == DatagramOp::kMultiGet;
  const std::uint32_t keys = multi ? count_keys(request.value) : 0;
  if (multi && keys == 0) return std::unexpected(ClientStatus::kInvalid);
  if (free_.empty()) return std::unexpected(ClientStatus::kTooMany);

  // The last one that was used: it is still in the cache.
  Slot& slot = free_.back();
  free_.remove(slot);
  ++outstanding_;
  slot.op = request.op;
  slot.key_bytes = static_cast<std::uint8_t>(request.key.size());
  if (slot.key_bytes != 0) std::memcpy(slot.key.data(), request.key.data(), slot.key_bytes);
  slot.value = request.value;
  slot.flags = request.flags;
  slot.expiry = request.expiry;
  slot.number = request.number;
  slot.tag = request.tag;
  slot.keys = keys;
  slot.sent = slot.retry = slot.backing_off = slot.was_refused = false;
  slot.attempts = slot.restarts = slot.token_refusals = 0;
  slot.asked_bytes = request.op == DatagramOp::kGet ? std::min(window(), kFirstWindowBytesMax) : 0;
  Nanos timeout = request.timeout.count() > 0 ? request.timeout : options_.timeout;
  if (is_store(request.op)) {
    const std::size_t front = front_bytes(DatagramHeader{.op = request.op}, request.key.size());
    if (front + request.value.size() > options_.datagram_bytes_max) {
      timeout += time_for(request.value.size());
      slot.outbound = std::make_unique<OutboundValue>(
          static_cast<std::uint32_t>(request.value.size()),
          static_cast<std::uint16_t>(options_.datagram_bytes_max - front));
    }
  }
  if (is_write(request.op)) timeout = std::min(timeout, kWriteTimeoutMax);
  slot.deadline = now + timeout;
  if (proven_) {
    start(slot, now);
  } else {
    to_wait(slot, Slot::State::kWaitsForToken, waits_for_token_);
    say_hello(now);
  }
  return {};
}

void DatagramSession::start(Slot& slot, Nanos now) {
  if (!is_write(slot.op)) {
    slot.queue.value = static_cast<std::uint16_t>(queues_ == 1 ? 0 : prng_.below(queues_));
    new_read_id(slot);
    to_send(slot);
    await(slot, now);
    return;
  }
  slot.queue = write_queue(slot.key_view(), queues_);
  Queue& queue = by_queue_[slot.queue.value];
  if (queue.has_room() && queue.waiting.empty()) {
    start_write(slot, now);
  } else {
    to_wait(slot, Slot::State::kWaitsForWrites, queue.waiting);
  }
}

// Fewer than kWriteWindow are under way to a queue, from the oldest unanswered one on: what is
// older, the server takes for answered.
void DatagramSession::start_write(Slot& slot, Nanos now) {
  Queue& queue = by_queue_[slot.queue.value];
  slot.write_number = queue.next_number++;
  const auto index = static_cast<std::uint32_t>(&slot - slots_.get());
  slot.id = kWriteId | (slot.write_number * (slot_mask_ + 1) & ~kWriteId) | index;
  queue.unanswered.push_back(slot);
  to_send(slot);
  await(slot, now);
}

void DatagramSession::new_read_id(Slot& slot) {
  const auto index = static_cast<std::uint32_t>(&slot - slots_.get());
  slot.id = (++slot.generation * (slot_mask_ + 1) & ~kWriteId) | index;
}

void DatagramSession::leave_list(Slot& slot) {
  if (slot.state == Slot::State::kToSend) to_send_.remove(slot);
  if (slot.state == Slot::State::kWaitsForToken) waits_for_token_.remove(slot);
  if (slot.state == Slot::State::kWaitsForWrites) by_queue_[slot.queue.value].waiting.remove(slot);
}

void DatagramSession::to_send(Slot& slot) {
  if (slot.state == Slot::State::kToSend) return;
  leave_list(slot);
  slot.state = Slot::State::kToSend;
  to_send_.push_back(slot);
}

void DatagramSession::to_wait(Slot& slot, Slot::State state, StateList& list) {
  leave_list(slot);
  slot.state = state;
  list.push_back(slot);
  timers_.arm(slot, slot.deadline);
}

void DatagramSession::release_writes(Queue& queue, Nanos now) {
  while (!queue.waiting.empty() && queue.has_room()) {
    start_write(queue.waiting.front(), now);
  }
}

// A noop: a first request would be refused anyway, and this one costs the server nothing.
void DatagramSession::say_hello(Nanos now) {
  if (hello_.state != Slot::State::kFree) return;
  hello_.op = DatagramOp::kNoop;
  hello_.queue.value = 0;
  hello_.attempts = 0;
  hello_.retry = false;
  new_read_id(hello_);
  to_send(hello_);
  arm_retry(hello_, now);
}

void DatagramSession::proven(Nanos now) {
  proven_ = true;
  timers_.disarm(hello_);
  leave_list(hello_);
  hello_.state = Slot::State::kFree;
  while (!waits_for_token_.empty()) {
    Slot& slot = waits_for_token_.front();
    leave_list(slot);
    slot.state = Slot::State::kSent;
    start(slot, now);
  }
}

void DatagramSession::arm_retry(Slot& slot, Nanos now) {
  const int doublings = std::min<int>(slot.attempts, 16);
  const Nanos first = std::clamp(round_trip_ + 4 * deviation_, options_.retry_after,
                                 kRetryAfterFactorMax * options_.retry_after);
  const auto patient = static_cast<std::int64_t>(static_cast<double>(first.count()) * patience_);
  const std::int64_t delay = std::min(patient << doublings, options_.retry_after_max.count());
  const auto jitter = static_cast<std::int64_t>(
      prng_.below(static_cast<std::uint64_t>(std::max<std::int64_t>(delay / 2, 1))));
  timers_.arm(slot, std::min(now + Nanos(delay - delay / 4 + jitter), slot.deadline));
}

// The first try, or the next step of something longer.
void DatagramSession::await(Slot& slot, Nanos now) {
  slot.asked_at = now;
  arm_retry(slot, now);
}

// Whether a reply is to the first try or to a later one cannot be told: what is measured may be too
// long, and so it counts only within bounds.
void DatagramSession::answered(const Slot& slot, Nanos now) {
  const Nanos took = now - slot.asked_at;
  deviation_ += (std::chrono::abs(took - round_trip_) - deviation_) / 4;
  round_trip_ += (took - round_trip_) / 8;
}

void DatagramSession::advance(Nanos now) {
  timers_.advance(now, [&](Slot& slot) { on_timer(slot, now); });
}

void DatagramSession::on_timer(Slot& slot, Nanos now) {
  if (&slot == &hello_ && waits_for_token_.empty()) {
    leave_list(slot);
    slot.state = Slot::State::kFree;
    return;
  }
  if (now >= slot.deadline) return give_up(slot, now);
  if (slot.state == Slot::State::kWaitsForToken || slot.state == Slot::State::kWaitsForWrites) {
    timers_.arm(slot, slot.deadline);
    return;
  }
  // While the way out is full, what has not gone is not lost.
  if (slot.state == Slot::State::kToSend) return arm_retry(slot, now);
  if (slot.attempts < 255) ++slot.attempts;
  ++counters_.retries;
  change_patience(kPatienceOfRetry);
  unjudged_ = std::min(unjudged_ + 1, kUnjudgedMax);
  resend(slot);
  arm_retry(slot, now);
}

void DatagramSession::resend(Slot& slot) {
  slot.retry = slot.sent;
  slot.backing_off = false;
  if (slot.outbound) slot.outbound->probe();
  if (slot.inbound && slot.op != DatagramOp::kStats) {
    Inbound& in = *slot.inbound;
    in.asks_next = 0;
    in.asks_end = in.value.lost(in.asks, std::max(window(), kFirstWindowBytesMax));
    if (in.asks_end == 0) {
      if (const auto next = in.value.next_window(window())) in.asks[in.asks_end++] = *next;
    }
  }
  to_send(slot);
}

void DatagramSession::give_up(Slot& slot, Nanos now) {
  Completion completion;
  completion.status = slot.was_refused ? ClientStatus::kBusy : ClientStatus::kTimeout;
  // Even a copy that was refused may have a duplicate on its way.
  completion.maybe_executed =
      is_write(slot.op) && slot.sent && (!slot.outbound || slot.outbound->all_sent());
  finish(slot, std::move(completion), now);
}

void DatagramSession::finish(Slot& slot, Completion completion, Nanos now) {
  completion.tag = slot.tag;
  if (slot.attempts == 0) change_patience(kPatienceOfFirst);
  timers_.disarm(slot);
  leave_list(slot);
  drop_value(slot);
  slot.entries.reset();
  slot.outbound.reset();
  slot.value = {};
  slot.state = Slot::State::kFree;
  free_.push_back(slot);
  --outstanding_;
  completions_.push_back(std::move(completion));
  if (!is_write(slot.op)) return;
  Queue& queue = by_queue_[slot.queue.value];
  queue.unanswered.remove(slot);
  release_writes(queue, now);
}

std::uint32_t DatagramSession::window() const {
  if (options_.window_bytes == 0) return 0;
  return std::max(options_.window_bytes / std::max(large_, 1U), kWindowBytesMin);
}

Nanos DatagramSession::time_for(std::uint64_t bytes) const {
  return Nanos(static_cast<std::int64_t>(bytes * 1'000'000'000 / options_.bytes_per_second_min));
}

}  // namespace minos
