#include "sim/sim_port.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <variant>

#include "base/check.h"
#include "wire/datagram.h"

namespace minos {

namespace {

// Of a datagram's header (docs/PROTOCOL.md): the codec reads datagrams that are whole, and the
// front of a gathered one is not.
constexpr std::size_t kStatusAt = 3;
constexpr std::size_t kRequestIdAt = 4;
constexpr std::size_t kOffsetAt = 20;

std::uint32_t word_at(const char* datagram, std::size_t at) {
  std::uint32_t word = 0;
  std::memcpy(&word, datagram + at, sizeof word);
  return word;
}

std::uint32_t request_id_of(const PacketMessage& message) {
  if (const auto* const reply = std::get_if<LargeReply>(&message)) return reply->request_id;
  if (const auto* const request = std::get_if<ForwardedRequest>(&message)) {
    return word_at(request->packet.bytes().data(), kRequestIdAt);
  }
  return word_at(std::get<ForwardedFragment>(message).packet.bytes().data(), kRequestIdAt);
}

// Lines that a queue's state and a packet's descriptor are in.
constexpr int kQueueLines = 2;

}  // namespace

SimPort::SimPort(std::uint16_t core, SimNetwork& network, const CostBook& costs,
                 SimRecorder& recorder, HandOffs& hand_offs,
                 std::vector<std::uint16_t>& last_receiver)
    : core_(core),
      network_(network),
      costs_(costs),
      recorder_(recorder),
      hand_offs_(hand_offs),
      last_receiver_(last_receiver) {}

void SimPort::begin(Picos now, bool dispatches) {
  recycle();
  idle_until(now);
  worked_ = false;
  refused_ = false;
  stealing_next_ = false;
  dispatches_ = dispatches;
  polled_ = costs_.step();
  clock_.now += polled_;
  ++steps_;
}

// What is left nobody answered: fragments that this core has put where they belong, or, with a
// dispatcher, requests that wait.
bool SimPort::end() {
  for (; settled_ < packets_.size(); ++settled_) {
    Packet& packet = packets_[settled_];
    if (packet.done) continue;
    if (!dispatches_) {
      settle(packet, false);
    } else if (std::exchange(packet.unread, false)) {
      costs_.receive(clock_, network_.requests().find(packet.request_id));
    }
  }
  const SimActivity activity = worked_ ? SimActivity::kReceive : SimActivity::kPoll;
  clock_.spent[static_cast<std::size_t>(activity)] += polled_;
  return worked_;
}

void SimPort::recycle() {
  for (const Packet& packet : packets_) {
    if (packet.buffer != nullptr && !packet.kept) network_.pool().put(packet.buffer);
  }
  packets_.clear();
  settled_ = 0;
}

void SimPort::settle(Packet& packet, bool passed_on) {
  SimRequest* const request = network_.requests().find(packet.request_id);
  if (std::exchange(packet.unread, false)) costs_.receive(clock_, request);
  if (std::exchange(packet.done, true)) return;
  if (request == nullptr) return;
  if (request->fragments == 1) return costs_.look_up(clock_, *request);
  costs_.fragment(clock_, *request, passed_on);
}

// The packet of this step that the worker has come to, if it is one. What came before it, it has
// dealt with, except for what it keeps for later.
SimPort::Packet* SimPort::settle_before(std::uint32_t request_id) {
  std::size_t at = settled_;
  while (at < packets_.size() && (packets_[at].done || packets_[at].request_id != request_id)) {
    ++at;
  }
  if (at == packets_.size()) return nullptr;
  for (std::size_t i = settled_; i < at; ++i) {
    if (!packets_[i].kept) settle(packets_[i], false);
  }
  while (settled_ < at && packets_[settled_].done) ++settled_;
  return &packets_[at];
}

void SimPort::receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
                      std::uint32_t& full) {
  for (const RxQueueQuota& quota : queues) {
    receive_from(quota, packets, full);
  }
}

void SimPort::receive_from(const RxQueueQuota& quota, std::vector<RxPacket>& packets,
                           std::uint32_t& full) {
  BoundedFifo<SimNetwork::Waiting>& queue = network_.rx(quota.queue);
  if (queue.size() < std::max(quota.waiting_min, 1U)) {
    polled_ += costs_.empty_poll();
    clock_.now += costs_.empty_poll();
    return;
  }
  worked_ = true;
  std::uint16_t& last = last_receiver_[quota.queue.value];
  if (std::exchange(last, core_) != core_) {
    costs_.cache_lines(clock_, SimActivity::kReceive, kQueueLines);
  }
  std::uint32_t taken = 0;
  for (; taken < quota.packets_max && !queue.empty(); ++taken) {
    const SimNetwork::Waiting waiting = queue.front();
    queue.pop();
    PacketBuffer* const buffer = network_.pool().take();
    buffer->index = static_cast<std::uint32_t>(packets_.size());
    packets.push_back(network_.make(waiting, *buffer));
    packets_.push_back({buffer, waiting.request_id, false, true, false});
  }
  packets_in_ += taken;
  if (stealing_next_) costs_.steal(clock_, taken);
  if (!queue.empty()) ++full;
}

char* SimPort::room(const Peer& /*peer*/) {
  return room_.data();
}

void SimPort::commit(std::size_t bytes) {
  worked_ = true;
  const std::uint32_t id = word_at(room_.data(), kRequestIdAt);
  Packet* const packet = settle_before(id);
  if (packet != nullptr) settle(*packet, false);
  SimRequest* const request = network_.requests().find(id);
  if (request == nullptr) return;
  const auto status = static_cast<DatagramStatus>(room_[kStatusAt]);
  const bool fine = status == DatagramStatus::kOk;
  if (request->fragments == 1) costs_.look_up(clock_, *request);
  costs_.reply(clock_, *request, fine);
  ++packets_out_;
  if (!fine) {
    if (!request->lost) recorder_.refused(*request, status == DatagramStatus::kBusy);
    return network_.requests().remove(*request);
  }
  ++requests_;
  if (request->large) ++large_requests_;
  if (!network_.out().has_room(core_, false)) {
    refused_ = true;
    return network_.lose(*request);
  }
  request->reply_left = 0;
  network_.reply(core_, *request, clock_.now, static_cast<std::uint32_t>(bytes), 0);
}

bool SimPort::gather(const Peer& /*peer*/, std::string_view front, std::span<const iovec> parts) {
  const std::uint32_t id = word_at(front.data(), kRequestIdAt);
  Packet* const packet = settle_before(id);
  if (packet != nullptr) settle(*packet, false);
  SimRequest* const request = network_.requests().find(id);
  if (request == nullptr) return true;
  costs_.look_up(clock_, *request);
  if (!network_.out().has_room(core_, true)) {
    refused_ = true;
    return false;
  }
  worked_ = true;
  std::uint32_t payload = 0;
  for (const iovec& part : parts) payload += static_cast<std::uint32_t>(part.iov_len);
  const std::uint32_t end = word_at(front.data(), kOffsetAt) + payload;
  costs_.reply_fragment(clock_, *request, payload, end);
  ++packets_out_;
  if (end >= request->value_bytes) {
    ++requests_;
    if (request->large) ++large_requests_;
  }
  const auto datagram = static_cast<std::uint32_t>(front.size()) + payload;
  network_.reply(core_, *request, clock_.now, datagram, payload);
  return true;
}

KeptPacket SimPort::keep(const RxPacket& packet) {
  auto* const buffer = static_cast<PacketBuffer*>(packet.buffer);
  packets_[buffer->index].kept = true;
  return {packet.peer, packet.bytes, buffer, &PacketPool::release};
}

void SimPort::handing_off(const PacketMessage& message, CoreId to) {
  worked_ = true;
  const std::uint32_t id = request_id_of(message);
  Packet* const packet = settle_before(id);
  if (dispatches_) {
    if (packet != nullptr && std::exchange(packet->unread, false)) {
      costs_.receive(clock_, network_.requests().find(id));
    }
    if (packet != nullptr) packet->done = true;
  } else if (packet != nullptr) {
    settle(*packet, true);
  } else if (SimRequest* const request = network_.requests().find(id); request != nullptr) {
    if (request->fragments == 1) costs_.look_up(clock_, *request);
  }
  costs_.ring_out(clock_);
  hand_offs_.handed_to(to, clock_.now);
}

void SimPort::took(const PacketMessage& message) {
  worked_ = true;
  costs_.ring_in(clock_);
  const std::uint32_t id = request_id_of(message);
  SimRequest* const request = network_.requests().find(id);
  if (request == nullptr) return;
  if (std::holds_alternative<ForwardedFragment>(message)) {
    return costs_.fragment(clock_, *request, false);
  }
  const auto* const forwarded = std::get_if<ForwardedRequest>(&message);
  if (forwarded == nullptr) return;
  // It is parsed and looked up here, whatever was done before; or it is a fragment from a
  // dispatcher, that may be passed on.
  request->looked_up = false;
  if (request->fragments > 1) packets_.push_back({nullptr, id, false, false, false});
}

void SimPort::stealing(std::uint32_t requests) {
  worked_ = true;
  costs_.cache_lines(clock_, SimActivity::kSteal, 1);
  costs_.steal(clock_, requests);
}

void SimPort::count(SimCore& core) const {
  core.requests = requests_;
  core.large_requests = large_requests_;
  core.packets_in = packets_in_;
  core.packets_out = packets_out_;
  core.steps = steps_;
}

}  // namespace minos
