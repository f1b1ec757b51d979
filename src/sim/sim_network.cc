#include "sim/sim_network.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "sim/cost_book.h"
#include "wire/datagram.h"

namespace minos {

namespace {

// Addresses that requests come from in turn: enough that the window of the writes of a client to a
// queue is hardly ever too short.
constexpr std::uint16_t kClients = 128;

// NICs that values of many packets leave from. The link to the server takes a packet of each in
// turn, and requests of one packet before them: what queues at clients is not the server's doing. A
// link without limit takes what each NIC has when it has it.
constexpr std::size_t kMachines = 8;

constexpr std::size_t kFrontBytes = kDatagramBytesMax - kSetFragmentBytes;

}  // namespace

SimNetwork::SimNetwork(const SimOptions& options, const SimWorkload& workload,
                       const AddressTokens& tokens, std::uint16_t queues, SimRecorder& recorder)
    : workload_(workload),
      recorder_(recorder),
      speed_(options.costs.ideal ? 0 : options.link_gbit_s),
      client_speed_(options.costs.ideal ? 0 : options.client_gbit_s),
      ideal_(options.costs.ideal),
      wire_both_ways_(options.costs.ideal ? 0 : 2 * picos(options.wire_us * 1000)),
      pool_(kFrontBytes + (ideal_ ? kIdealFragmentBytes : kSetFragmentBytes)),
      out_(queues, options.tx_queue_packets, speed_,
           [this](const TxLink::Packet& packet, Picos at) { sent(packet, at); }) {
  // The ideal server's queues have no bound but memory.
  const std::size_t bound =
      options.costs.ideal ? RequestTable::kRequestsMax : options.rx_queue_packets;
  for (std::uint16_t i = 0; i < queues; ++i) rx_.emplace_back(bound);
  for (std::size_t i = 0; i <= kMachines; ++i) machines_.emplace_back(RequestTable::kRequestsMax);
  machine_sent_.assign(kMachines, kNever);
  for (std::uint16_t i = 0; i < kClients; ++i) {
    Client client;
    client.peer.address = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0};
    client.peer.address[15] = static_cast<std::uint8_t>(i % kMachines + 2);
    client.peer.port = static_cast<std::uint16_t>(20'000 + i);
    client.token = tokens.token(client.peer, kVirtualStart);
    client.writes.resize(queues);
    clients_.push_back(std::move(client));
  }
}

bool SimNetwork::send(SimRequest& request, Picos now) {
  request.client = static_cast<std::uint16_t>(request.number % kClients);
  if (request.set) request.write_number = clients_[request.client].writes[request.queue]++;
  if (!paced(request)) {
    const std::uint32_t id = request.id;
    const std::uint32_t each = set_fragment_bytes(ideal_, request.value_bytes);
    for (std::uint32_t i = 0, n = request.fragments; i < n; ++i) deliver({id, i * each});
    return false;
  }
  const std::size_t machine = request.fragments == 1 ? kMachines : request.client % kMachines;
  machines_[machine].push({request.id, 0});
  if (!speed_.limited() || ingress_at_ == kNever) start_next(now);
  return true;
}

bool SimNetwork::paced(const SimRequest& request) const {
  return speed_.limited() || (client_speed_.limited() && request.fragments > 1);
}

void SimNetwork::start_machines(Picos now) {
  for (std::size_t i = 0; i < kMachines; ++i) {
    if (machine_sent_[i] == kNever && !machines_[i].empty()) {
      const Outgoing& outgoing = machines_[i].front();
      const SimRequest* const request = requests_.find(outgoing.request_id);
      CHECK(request != nullptr);
      const std::uint32_t bytes = datagram_bytes(*request, outgoing.next_offset);
      machine_sent_[i] = now + client_speed_.time_of(bytes);
    }
    if (machine_sent_[i] < ingress_at_) {
      ingress_at_ = machine_sent_[i];
      sending_ = i;
    }
  }
}

void SimNetwork::start_next(Picos now) {
  ingress_at_ = kNever;
  if (!speed_.limited()) return start_machines(now);
  sending_ = kMachines;
  for (std::size_t tried = 0; machines_[sending_].empty(); ++tried) {
    if (tried == kMachines) return;
    sending_ = next_machine_;
    next_machine_ = (next_machine_ + 1) % kMachines;
  }
  const Outgoing& outgoing = machines_[sending_].front();
  const SimRequest* const request = requests_.find(outgoing.request_id);
  CHECK(request != nullptr);
  const Picos took = speed_.time_of(datagram_bytes(*request, outgoing.next_offset));
  in_busy_ += took;
  ingress_at_ = now + took;
}

QueueId SimNetwork::arrive(Picos now) {
  Outgoing& outgoing = machines_[sending_].front();
  const SimRequest& request = *requests_.find(outgoing.request_id);
  const QueueId queue{request.queue};
  const Waiting waiting{outgoing.request_id, outgoing.next_offset};
  outgoing.next_offset += kSetFragmentBytes;
  if (!request.set || outgoing.next_offset >= request.value_bytes) machines_[sending_].pop();
  deliver(waiting);
  if (sending_ != kMachines) machine_sent_[sending_] = kNever;
  start_next(now);
  return queue;
}

void SimNetwork::deliver(const Waiting& waiting) {
  SimRequest* const request = requests_.find(waiting.request_id);
  if (!rx_[request->queue].push(waiting)) lose(*request);
}

// A request of which other parts are still under way is remembered.
void SimNetwork::lose(SimRequest& request) {
  if (!request.lost) recorder_.lost(request);
  request.lost = true;
  if (request.fragments == 1) requests_.remove(request);
}

std::uint32_t SimNetwork::datagram_bytes(const SimRequest& request, std::uint32_t offset) const {
  if (!request.set) return kFrontBytes;
  return static_cast<std::uint32_t>(kFrontBytes) +
         std::min(request.value_bytes - offset, kSetFragmentBytes);
}

RxPacket SimNetwork::make(const Waiting& waiting, PacketBuffer& buffer) const {
  const SimRequest& request = *const_cast<RequestTable&>(requests_).find(waiting.request_id);
  const Client& client = clients_[request.client];
  const KeySpace& keys = workload_.keys();
  const KeySpace::Key key = keys.key(request.key);
  const std::uint32_t each = set_fragment_bytes(ideal_, request.value_bytes);
  Datagram datagram;
  datagram.header.op = request.set ? DatagramOp::kSet : DatagramOp::kGet;
  datagram.header.request_id = request.id;
  datagram.header.token = client.token;
  datagram.key = {key.data(), key.size()};
  if (request.set) {
    datagram.write.number = request.write_number;
    datagram.header.value_bytes = request.value_bytes;
    datagram.header.fragment_bytes = static_cast<std::uint16_t>(each);
    datagram.header.offset = waiting.offset;
  }
  std::size_t used = write_front(datagram, buffer.bytes);
  if (request.set) {
    const std::uint32_t part = std::min(request.value_bytes - waiting.offset, each);
    const std::string_view value = keys.value(request.key, request.value_bytes);
    std::memcpy(buffer.bytes + used, value.data() + waiting.offset, part);
    used += part;
  }
  RxPacket packet;
  packet.peer = client.peer;
  packet.peer.queue = QueueId{request.queue};
  packet.bytes = {buffer.bytes, used};
  packet.buffer = &buffer;
  return packet;
}

void SimNetwork::reply(std::uint16_t core, SimRequest& request, Picos ready,
                       std::uint32_t datagram_bytes, std::uint32_t value_bytes) {
  const TxLink::Packet packet{ready, request.id, static_cast<std::uint16_t>(datagram_bytes),
                              static_cast<std::uint16_t>(value_bytes)};
  if (!request.answered) return sent(packet, ready);
  out_.push(core, packet);
}

void SimNetwork::sent(const TxLink::Packet& packet, Picos at) {
  SimRequest* const request = requests_.find(packet.request_id);
  if (request == nullptr || request->lost) return;
  request->reply_left -= std::min<std::uint32_t>(packet.value_bytes, request->reply_left);
  if (request->reply_left != 0) return;
  recorder_.answered(*request, at + wire_both_ways_);
  requests_.remove(*request);
}

}  // namespace minos
