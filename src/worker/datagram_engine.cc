#include "worker/datagram_engine.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "worker/step_observer.h"

namespace minos {

namespace {

// Of an RX queue in one round, however many of them a core has.
constexpr std::uint32_t kQueueBurstMin = 8;

// Queues of others that a core looks into in one round: among many cores more would take longer
// than a quantum.
constexpr std::size_t kVictimsMax = 8;

// How often a core that has nothing else to do looks for unfinished values to forget.
constexpr Nanos kAssemblyCheckEvery = std::chrono::seconds(1);

}  // namespace

DatagramEngine::DatagramEngine(const WorkerConfig& config, const WorkerShared& shared,
                               WorkerStats& stats, BufferPool& buffers, Waker& waker)
    : config_(config),
      shared_(*shared.datagrams),
      store_(shared.store),
      core_(shared.store.core(config.self)),
      policy_(shared.policy),
      clock_(shared.clock),
      stats_source_(shared.stats),
      stats_(stats),
      waker_(waker),
      mesh_(shared.mesh),
      tokens_(shared.datagrams->tokens),
      assembler_(core_, buffers) {
  popped_.reserve(kBurstRequestsMax);
}

DatagramEngine::~DatagramEngine() = default;

void DatagramEngine::adopt(const CorePlan& plan) {
  plan_ = &plan;
  dispatches_ = policy_.place({RequestKind::kRead, 0, 0, config_.self}, plan).where ==
                Placement::Where::kIdleCore;
  const std::uint16_t workers = plan.core_count();
  const std::uint32_t queues_each = (shared_.queues() + workers - 1U) / workers;
  const std::uint32_t burst = std::max(config_.burst_requests / queues_each,
                                       std::min(config_.burst_requests, kQueueBurstMin));
  rx_queues_.clear();
  steal_queues_.clear();
  for (std::uint16_t i = 0; i < shared_.queues(); ++i) {
    // From one's own on, so that thieves begin at different queues.
    const QueueId queue{static_cast<std::uint16_t>((i + config_.self.value) % shared_.queues())};
    const CoreId owner{static_cast<std::uint16_t>(queue.value % workers)};
    const std::uint32_t quota = policy_.rx_quota(config_.self, owner, burst, plan);
    if (quota != 0) {
      rx_queues_.push_back({queue, quota});
      continue;
    }
    const RxShare share = policy_.steal_share(config_.self, owner, burst, plan);
    if (share.requests_max == 0) continue;
    steal_queues_.push_back({queue, share.requests_max, share.waiting_min});
  }
  first_victim_ = 0;
  steal_queues_.reserve(2 * steal_queues_.size());
  steal_queues_.insert(steal_queues_.end(), steal_queues_.begin(), steal_queues_.end());
  // A request that is run to completion holds up what was received with it.
  shares_ = policy_.kind() == PolicyKind::kWorkStealing;
}

// A core that must finish what it began serves nobody before; one whose workers are behind, or that
// has not begun all that it received, leaves the rest in the RX queues.
bool DatagramEngine::may_receive() const {
  if (must_finish_ || large_.size() >= kLargeRepliesMax) return false;
  if (dispatch_.size() >= kDispatchMax) return false;
  return !shares_ || shared_.received[config_.self.value].empty();
}

std::span<const RxQueueQuota> DatagramEngine::rx_queues() const {
  return may_receive() ? std::span(rx_queues_) : std::span<const RxQueueQuota>();
}

// From another victim on each time, so that none is always the last.
std::span<const RxQueueQuota> DatagramEngine::steal_queues() const {
  if (!may_receive()) return {};
  const std::size_t looked_at = std::min(steal_queues_.size() / 2, kVictimsMax);
  return std::span(steal_queues_).subspan(first_victim_, looked_at);
}

Nanos DatagramEngine::patience() const {
  if (!waiting_.empty() || !stuck_.empty()) return millis(1);
  return assembler_.size() != 0 ? kAssemblyCheckEvery : Nanos(-1);
}

void DatagramEngine::begin(Now now, Nanos arrived) {
  now_ = now;
  arrived_ = arrived;
  texts_.clear();
}

std::uint32_t DatagramEngine::take_hand_offs() {
  popped_.clear();
  while (popped_.size() < kBurstRequestsMax && large_.size() < kLargeRepliesMax) {
    std::optional<PacketMessage> message = shared_.mesh.try_pop(config_.self.value);
    if (!message) break;
    stats_.add(Counter::kHandOffsIn);
    if (config_.observer != nullptr) config_.observer->took(*message);
    if (auto* const reply = std::get_if<LargeReply>(&*message)) {
      reply->placed = now_.mono;
      large_.push_back(std::move(*reply));
      continue;
    }
    popped_.push_back(std::move(*message));
  }
  if (popped_.empty()) return 0;
  mesh_.note_arrival(config_.self);
  std::array<Incoming, kBurstRequestsMax> batch;
  std::size_t used = 0;
  for (PacketMessage& message : popped_) {
    Incoming& in = batch[used++];
    if (auto* const fragment = std::get_if<ForwardedFragment>(&message)) {
      in.kept = &fragment->packet;
      in.fragment = true;
      in.placed = true;
    } else {
      auto& forwarded = std::get<ForwardedRequest>(message);
      in.kept = &forwarded.packet;
      in.placed = forwarded.placed;
    }
    in.peer = &in.kept->peer();
    in.bytes = in.kept->bytes();
  }
  const std::uint32_t executed = run_batch(std::span(batch).first(used));
  popped_.clear();
  return executed;
}

std::uint32_t DatagramEngine::run(std::span<const RxPacket> packets, std::uint32_t queues_full) {
  small_waiting_ = queues_full;
  if (const std::size_t victims = steal_queues_.size() / 2; victims != 0) {
    first_victim_ = (first_victim_ + (victims > kVictimsMax ? kVictimsMax : 1)) % victims;
  }
  stats_.add(Counter::kDatagrams, packets.size());
  if (dispatches_) {
    dispatch(packets);
    return 0;
  }
  if (queues_full != 0) wake_thief();
  if (shares_) return run_shared(packets);
  std::uint32_t executed = 0;
  std::array<Incoming, kBurstRequestsMax> batch;
  while (!packets.empty()) {
    const std::size_t count = std::min(packets.size(), batch.size());
    for (std::size_t i = 0; i < count; ++i) {
      const RxPacket& packet = packets[i];
      batch[i] = {&packet.peer, packet.bytes, &packet, nullptr, false, false};
    }
    packets = packets.subspan(count);
    executed += run_batch(std::span(batch).first(count));
  }
  return executed;
}

// Looks at all and finds all items at once; then executes one by one. Datagrams that are on their
// way together have no order, so a get may find what a write of the same batch replaces.
std::uint32_t DatagramEngine::run_batch(std::span<const Incoming> batch) {
  std::size_t admitted = 0;
  std::size_t keys = 0;
  burst_start_ = clock_.now();
  for (const Incoming& in : batch) {
    Request& request = requests_[admitted];
    if (!admit(in, request)) continue;
    ++admitted;
    if (request.datagram.key.empty()) continue;
    request.key_hash = hash_key(request.datagram.key);
    Lookup& lookup = lookups_[keys++];
    lookup.key = request.datagram.key;
    lookup.hash = request.key_hash;
    lookup.read = request.datagram.header.op == DatagramOp::kGet;
    request.lookup = &lookup;
  }
  core_.find_batch(std::span(lookups_).first(keys), now_);
  served_ = {};
  for (Request& request : std::span(requests_).first(admitted)) execute(request);
  stats_.add(Counter::kRequests, admitted);
  if (admitted == 0) return 0;
  const std::int64_t each =
      (clock_.now() - burst_start_).count() / static_cast<std::int64_t>(admitted);
  const std::int64_t waited = std::max<std::int64_t>((burst_start_ - arrived_).count(), 0);
  for (std::size_t i = 0; i < kReportClasses; ++i) {
    if (served_[i] == 0) continue;
    stats_.service_ns[i].record(static_cast<std::uint64_t>(each), served_[i]);
    stats_.queue_wait_ns[i].record(static_cast<std::uint64_t>(waited), served_[i]);
  }
  return static_cast<std::uint32_t>(admitted);
}

// False: it was answered, or dropped.
bool DatagramEngine::admit(const Incoming& in, Request& request) {
  auto parsed = parse_request(in.bytes);
  if (!parsed) [[unlikely]] {
    refuse(in, parsed.error());
    return false;
  }
  request.in = in;
  request.datagram = *parsed;
  const bool proven = tokens_.check(*in.peer, parsed->header.token, now_.mono, request.token);
  if (!proven && !in.placed) [[unlikely]] {
    stats_.add(Counter::kUnprovenAddresses);
    reply_status(request, DatagramStatus::kToken);
    return false;
  }
  return true;
}

void DatagramEngine::refuse(const Incoming& in, const DatagramError& error) {
  if (error.kind == DatagramError::Kind::kSilent) return stats_.add(Counter::kDatagramsForeign);
  const bool version = error.kind == DatagramError::Kind::kVersion;
  stats_.add(version ? Counter::kDatagramsOtherVersion : Counter::kDatagramsMalformed);
  Request request;
  request.in = in;
  request.datagram.header = error.header;
  // Whoever is not proven gets no more bytes than it sent.
  const bool proven =
      !version && tokens_.check(*in.peer, error.header.token, now_.mono, request.token);
  reply_status(request, version ? DatagramStatus::kVersion : DatagramStatus::kMalformed,
               proven ? error.reason : std::string_view());
}

void DatagramEngine::execute(Request& request) {
  const DatagramOp op = request.datagram.header.op;
  if (is_write(op)) return write(request);
  switch (op) {
    case DatagramOp::kGet:
      return get(request);
    case DatagramOp::kGat:
      return get_and_touch(request);
    case DatagramOp::kMultiGet:
      return multi_get(request);
    case DatagramOp::kStats:
      return show_stats(request);
    default:
      note_served(0);
      return reply_status(request, DatagramStatus::kOk);
  }
}

// Datagrams of one packet are never worth a hand-over for their size.
Placement DatagramEngine::place(RequestKind kind, std::uint64_t key_hash,
                                std::uint64_t value_bytes) const {
  if (value_bytes <= kReplyFragmentBytes) return Placement();
  return policy_.place({kind, key_hash, value_bytes, config_.self}, *plan_);
}

KeptPacket DatagramEngine::keep(const Incoming& in) {
  if (in.kept != nullptr) return std::move(*in.kept);
  return port(*in.peer).keep(*in.received);
}

// False when there is no room, or no memory for what was to be kept.
bool DatagramEngine::forward(PacketMessage message, CoreId to) {
  DCHECK(to != config_.self);
  if (config_.observer != nullptr) config_.observer->handing_off(message, to);
  if (!shared_.mesh.try_push(config_.self.value, to.value, message)) {
    stats_.add(Counter::kRingFull);
    return false;
  }
  stats_.add(Counter::kHandOffsOut);
  waker_.wake(to);
  return true;
}

// What goes on without a packet: writes that wait for memory, and the end of what nothing came of.
void DatagramEngine::go_on() {
  if (dispatches_) feed_workers();
  retry_waiting_writes();
  while (Assembly* const stale = assembler_.stalest(now_.mono, kAssemblyIdleMax)) {
    stats_.add(Counter::kAssembliesExpired);
    abandon(*stale);
  }
  for (Assembly* const assembly : std::exchange(stuck_, {})) {
    assembly->stuck = false;
    advance(*assembly);
  }
}

Datagram DatagramEngine::reply_to(const Request& request, DatagramStatus status) const {
  Datagram front;
  const DatagramHeader& asked = request.datagram.header;
  front.header.op = asked.op;
  front.header.reply = true;
  front.header.status = status;
  front.header.request_id = asked.request_id;
  front.header.token = request.token;
  front.header.queue = static_cast<std::uint8_t>(shared_.queues());
  return front;
}

void DatagramEngine::reply(const Peer& peer, const Datagram& front, std::string_view payload) {
  DatagramPort& out = port(peer);
  char* const room = out.room(peer);
  if (room == nullptr) return stats_.add(Counter::kRepliesDropped);
  const std::size_t bytes = write_front(front, room);
  if (!payload.empty()) std::memcpy(room + bytes, payload.data(), payload.size());
  out.commit(bytes + payload.size());
  stats_.add(Counter::kReplies);
}

void DatagramEngine::reply_status(const Request& request, DatagramStatus status,
                                  std::string_view payload) {
  if (status == DatagramStatus::kBusy) stats_.add(Counter::kBusy);
  reply(*request.in.peer, reply_to(request, status), payload);
}

void DatagramEngine::reply_outcome(const Request& request, const WriteOutcome& outcome) {
  Datagram front = reply_to(request, outcome.status);
  front.number = outcome.number;
  reply(*request.in.peer, front);
}

void DatagramEngine::note_served(std::uint64_t value_bytes) {
  ++served_[static_cast<std::size_t>(report_class_of(value_bytes, *plan_))];
}

}  // namespace minos
