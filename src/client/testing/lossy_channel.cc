#include "client/testing/lossy_channel.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace minos::testing {

Nanos LossyChannel::up_to(Nanos longest) {
  return Nanos(static_cast<std::int64_t>(prng_.uniform() * static_cast<double>(longest.count())));
}

void LossyChannel::put(Network& network, QueueId queue, const std::string& bytes) {
  const int copies = prng_.uniform() < faults_.duplicated ? 2 : 1;
  for (int i = 0; i < copies; ++i) {
    if (prng_.uniform() < faults_.lost) continue;
    Nanos at = clock_() + faults_.delay;
    if (prng_.uniform() < faults_.delayed) at += up_to(faults_.delay_max);
    if (prng_.uniform() < faults_.held) at += up_to(faults_.held_max);
    network.emplace(at, Held{queue, bytes});
  }
}

void LossyChannel::send(std::span<const OutDatagram> datagrams) {
  for (const OutDatagram& out : datagrams) {
    put(out_, out.queue, std::string(out.front.data(), out.front_bytes) + std::string(out.payload));
  }
  forward();
}

void LossyChannel::forward() {
  while (!out_.empty() && out_.begin()->first <= clock_()) {
    const Held& held = out_.begin()->second;
    OutDatagram out;
    out.queue = held.queue;
    out.front_bytes = static_cast<std::uint16_t>(std::min(held.bytes.size(), out.front.size()));
    std::memcpy(out.front.data(), held.bytes.data(), out.front_bytes);
    out.payload = std::string_view(held.bytes).substr(out.front_bytes);
    inner_.send({&out, 1});
    out_.erase(out_.begin());
  }
}

void LossyChannel::receive(std::vector<InDatagram>& datagrams) {
  forward();
  received_.clear();
  inner_.receive(received_);
  for (const InDatagram& in : received_) put(in_, in.queue, std::string(in.bytes));
  given_.clear();
  std::vector<QueueId> queues;
  while (!in_.empty() && in_.begin()->first <= clock_()) {
    queues.push_back(in_.begin()->second.queue);
    given_.push_back(std::move(in_.begin()->second.bytes));
    in_.erase(in_.begin());
  }
  for (std::size_t i = 0; i < given_.size(); ++i) datagrams.push_back({queues[i], given_[i]});
}

Nanos LossyChannel::next_delivery() const {
  Nanos next = Nanos::max();
  if (!out_.empty()) next = std::min(next, out_.begin()->first);
  if (!in_.empty()) next = std::min(next, in_.begin()->first);
  return next;
}

void LossyChannel::wait(Nanos timeout) {
  const Nanos next = next_delivery();
  if (next != Nanos::max()) timeout = std::min(timeout, std::max(next - clock_(), Nanos(0)));
  inner_.wait(timeout);
  forward();
}

}  // namespace minos::testing
