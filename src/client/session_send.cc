#include <algorithm>

#include "client/datagram_session.h"

// What a DatagramSession sends.
namespace minos {
namespace {

// Datagrams of one value in a row: what a kernel sends at once.
constexpr std::size_t kTrainDatagrams = 44;

}  // namespace

std::size_t DatagramSession::take_datagrams(std::span<OutDatagram> out, Nanos now) {
  std::size_t used = 0;
  std::size_t train = 0;
  while (used < out.size() && !to_send_.empty()) {
    Slot& slot = to_send_.front();
    if (now >= slot.deadline) {
      give_up(slot, now);
      continue;
    }
    const Left left = next_datagram(slot, out[used]);
    if (left != Left::kNothing) {
      ++used;
      slot.sent = true;
    }
    if (left != Left::kMore) {
      leave_list(slot);
      slot.state = Slot::State::kSent;
    }
    if (left != Left::kMore || ++train == kTrainDatagrams) {
      train = 0;
      if (slot.state != Slot::State::kToSend) continue;
      to_send_.remove(slot);
      to_send_.push_back(slot);
    }
  }
  counters_.sent += used;
  return used;
}

DatagramSession::Left DatagramSession::next_datagram(Slot& slot, OutDatagram& out) {
  out.queue = slot.queue;
  out.payload = {};
  slot.token_used = token_;
  if (slot.outbound) return next_fragment(slot, out);
  if (slot.inbound && slot.op != DatagramOp::kStats) return next_ask(slot, out);
  write_request(slot, out);
  return Left::kLast;
}

Datagram DatagramSession::front_of(Slot& slot) const {
  Datagram front;
  front.header.op = slot.op;
  front.header.retry = slot.retry;
  front.header.request_id = slot.id;
  front.header.token = token_;
  front.header.queue = static_cast<std::uint8_t>(slot.queue.value);
  front.write = {session_, slot.write_number};
  front.flags = slot.flags;
  front.expiry = slot.expiry;
  front.number = slot.number;
  front.key = slot.key_view();
  return front;
}

void DatagramSession::write_request(Slot& slot, OutDatagram& out) {
  Datagram front = front_of(slot);
  if (slot.op == DatagramOp::kGet) {
    front.number = 0;
    front.header.value_bytes = slot.asked_bytes;
    if (options_.datagram_bytes_max < kDatagramBytesMax) {
      const DatagramHeader reply{.op = slot.op, .reply = true};
      front.header.fragment_bytes =
          static_cast<std::uint16_t>(options_.datagram_bytes_max - front_bytes(reply, 0));
    }
  } else if (is_store(slot.op)) {
    front.header.value_bytes = static_cast<std::uint32_t>(slot.value.size());
  }
  out.payload = slot.value;
  out.front_bytes = static_cast<std::uint16_t>(write_front(front, out.front.data()));
}

DatagramSession::Left DatagramSession::next_fragment(Slot& slot, OutDatagram& out) {
  const auto fragment = slot.outbound->next();
  if (!fragment) return Left::kNothing;
  Datagram front = front_of(slot);
  front.header.retry = fragment->marked;
  front.header.value_bytes = static_cast<std::uint32_t>(slot.value.size());
  front.header.offset = fragment->offset;
  front.header.fragment_bytes = slot.outbound->fragment_bytes();
  out.payload = slot.value.substr(fragment->offset, fragment->bytes);
  out.front_bytes = static_cast<std::uint16_t>(write_front(front, out.front.data()));
  return Left::kMore;
}

// What is left of a gat is asked for by get: it has been executed.
DatagramSession::Left DatagramSession::next_ask(Slot& slot, OutDatagram& out) {
  Inbound& in = *slot.inbound;
  if (in.asks_next == in.asks_end) return Left::kNothing;
  const InboundValue::Range ask = in.asks[in.asks_next++];
  Datagram front = front_of(slot);
  front.header.op = DatagramOp::kGet;
  front.header.value_bytes = ask.bytes;
  front.header.offset = ask.offset;
  front.header.fragment_bytes = in.value.fragment_bytes();
  front.number = in.value.number();
  out.front_bytes = static_cast<std::uint16_t>(write_front(front, out.front.data()));
  return in.asks_next == in.asks_end ? Left::kLast : Left::kMore;
}

}  // namespace minos
