#include <algorithm>
#include <utility>

#include "client/datagram_session.h"

// What a DatagramSession makes of a datagram that it receives.
namespace minos {
namespace {

constexpr std::uint8_t kRestartsMax = 4;
constexpr std::uint8_t kTokenRefusalsMax = 4;

ClientStatus status_of(DatagramStatus status) {
  switch (status) {
    case DatagramStatus::kOk:
      return ClientStatus::kOk;
    case DatagramStatus::kNotFound:
      return ClientStatus::kNotFound;
    case DatagramStatus::kExists:
      return ClientStatus::kExists;
    case DatagramStatus::kTooLarge:
      return ClientStatus::kTooLarge;
    case DatagramStatus::kOutOfMemory:
      return ClientStatus::kOutOfMemory;
    case DatagramStatus::kNonNumeric:
      return ClientStatus::kNonNumeric;
    case DatagramStatus::kBusy:
      return ClientStatus::kBusy;
    case DatagramStatus::kVersion:
      return ClientStatus::kVersion;
    case DatagramStatus::kChanged:
      return ClientStatus::kChanged;
    case DatagramStatus::kMalformed:
    case DatagramStatus::kToken:
    case DatagramStatus::kMissing:
      break;
  }
  return ClientStatus::kMalformed;
}

bool gives_value(DatagramOp op) {
  return op == DatagramOp::kGet || op == DatagramOp::kGat || op == DatagramOp::kStats;
}

}  // namespace

void DatagramSession::receive(const InDatagram& datagram, Nanos now) {
  ++counters_.received;
  const auto parsed = parse_reply(datagram.bytes);
  if (!parsed) {
    const DatagramError& error = parsed.error();
    Slot* const slot =
        error.kind == DatagramError::Kind::kVersion ? addressee(datagram, error.header) : nullptr;
    if (slot == nullptr || slot == &hello_) {
      ++counters_.garbage;
    } else {
      finish(*slot, Completion{.status = ClientStatus::kVersion}, now);
    }
    return;
  }
  const DatagramHeader& header = parsed->header;
  Slot* const slot = addressee(datagram, header);
  if (slot == nullptr) {
    ++counters_.late;
    if (unjudged_ > 0) {
      --unjudged_;
      change_patience(kPatienceOfLate);
    }
    return;
  }
  const bool same_op = header.op == slot->op || (slot->op == DatagramOp::kGat && slot->inbound &&
                                                 header.op == DatagramOp::kGet);
  if (!same_op) {
    ++counters_.garbage;
    return;
  }
  if (header.token != 0) token_ = header.token;
  if (header.queue != 0) queues_ = header.queue;
  on_reply(*slot, *parsed, now);
}

DatagramSession::Slot* DatagramSession::addressee(const InDatagram& datagram,
                                                  const DatagramHeader& header) {
  const std::uint32_t index = header.request_id & slot_mask_;
  if (index > options_.requests_max) return nullptr;
  Slot& slot = slots_[index];
  const bool waits = slot.state == Slot::State::kSent || slot.state == Slot::State::kToSend;
  if (!waits || slot.id != header.request_id) return nullptr;
  if (datagram.queue != kAnyQueue && datagram.queue != slot.queue) return nullptr;
  return &slot;
}

void DatagramSession::on_reply(Slot& slot, const Datagram& reply, Nanos now) {
  const DatagramStatus status = reply.header.status;
  if (status == DatagramStatus::kBusy) return on_busy(slot, now);
  if (&slot == &hello_) {
    if (status == DatagramStatus::kToken || status == DatagramStatus::kOk) {
      proven(now);
    } else {
      ++counters_.garbage;
    }
    return;
  }
  if (status == DatagramStatus::kToken) return on_token(slot, now);
  if (status == DatagramStatus::kMissing) return on_missing(slot, reply, now);
  if (!slot.was_refused && !slot.inbound && !slot.entries) answered(slot, now);
  if (status == DatagramStatus::kChanged && slot.inbound) return start_over(slot, now);
  if (status != DatagramStatus::kOk) {
    finish(slot, Completion{.status = status_of(status), .small = reply.payload}, now);
    return;
  }
  if (gives_value(slot.op)) return on_value(slot, reply, now);
  if (slot.op == DatagramOp::kMultiGet) return on_entries(slot, reply, now);
  if (!reply.payload.empty() || (slot.outbound && !slot.outbound->all_sent())) {
    ++counters_.garbage;
    return;
  }
  finish(slot, Completion{.number = reply.number}, now);
}

void DatagramSession::on_token(Slot& slot, Nanos now) {
  // Fragments are refused one by one: those of before the new token say nothing new.
  if (slot.token_used == token_ || slot.token_refusals == kTokenRefusalsMax) {
    ++counters_.late;
    return;
  }
  ++slot.token_refusals;
  resend(slot);
  arm_retry(slot, now);
}

void DatagramSession::on_busy(Slot& slot, Nanos now) {
  ++counters_.refused;
  slot.was_refused = true;
  if (slot.backing_off) return;
  slot.backing_off = true;
  if (slot.attempts < 255) ++slot.attempts;
  leave_list(slot);
  slot.state = Slot::State::kSent;
  arm_retry(slot, now);
}

void DatagramSession::progress(Slot& slot, Nanos now) {
  slot.attempts = 0;
  slot.backing_off = slot.was_refused = false;
  await(slot, now);
}

void DatagramSession::on_missing(Slot& slot, const Datagram& reply, Nanos now) {
  if (!slot.outbound) {
    ++counters_.garbage;
  } else if (slot.outbound->missing(reply.payload)) {
    if (!slot.was_refused) answered(slot, now);
    progress(slot, now);
    to_send(slot);
  } else {
    ++counters_.late;
  }
}

void DatagramSession::begin_value(Slot& slot, const Datagram& first, Nanos now) {
  const std::uint32_t bytes = first.header.value_bytes;
  if (bytes > options_.value_bytes_max || bytes > options_.buffered_bytes_max - buffered_bytes_) {
    finish(slot, Completion{.status = ClientStatus::kTooLarge}, now);
    return;
  }
  slot.inbound = std::make_unique<Inbound>(first, slot.asked_bytes);
  slot.deadline += time_for(bytes);
  buffered_bytes_ += bytes;
  ++large_;
}

void DatagramSession::drop_value(Slot& slot) {
  if (!slot.inbound) return;
  buffered_bytes_ -= slot.inbound->value.value_bytes();
  --large_;
  slot.deadline -= time_for(slot.inbound->value.value_bytes());
  slot.inbound.reset();
}

void DatagramSession::start_over(Slot& slot, Nanos now) {
  drop_value(slot);
  ++counters_.restarts;
  if (++slot.restarts > kRestartsMax) {
    finish(slot, Completion{.status = ClientStatus::kChanged}, now);
    return;
  }
  // Fragments of the old version may still come: they have the old id.
  new_read_id(slot);
  slot.retry = false;
  to_send(slot);
  progress(slot, now);
}

void DatagramSession::on_value(Slot& slot, const Datagram& reply, Nanos now) {
  const DatagramHeader& header = reply.header;
  if (header.offset == 0 && header.value_bytes == reply.payload.size()) {
    finish(slot, Completion{.flags = reply.flags, .number = reply.number, .small = reply.payload},
           now);
    return;
  }
  if (!slot.inbound) begin_value(slot, reply, now);
  if (!slot.inbound) return;
  InboundValue::Added added = slot.inbound->value.add(reply);
  if (added == InboundValue::Added::kOther) {
    if (slot.op != DatagramOp::kStats) return start_over(slot, now);
    // Each try makes its own text: go on with the latest.
    drop_value(slot);
    begin_value(slot, reply, now);
    if (!slot.inbound) return;
    added = slot.inbound->value.add(reply);
  }
  Inbound& in = *slot.inbound;
  switch (added) {
    case InboundValue::Added::kOther:
    case InboundValue::Added::kOld:
      ++counters_.late;
      return;
    case InboundValue::Added::kComplete: {
      Completion done{.flags = in.value.flags(), .number = in.value.number()};
      done.large = in.value.take();
      finish(slot, std::move(done), now);
      return;
    }
    case InboundValue::Added::kNew:
      break;
  }
  progress(slot, now);
  if (in.asks_next == in.asks_end) in.asks_next = in.asks_end = 0;
  if (in.asks_end == in.asks.size()) return;
  if (const auto window_due = in.value.next_window(window())) {
    in.asks[in.asks_end++] = *window_due;
    to_send(slot);
  }
}

void DatagramSession::on_entries(Slot& slot, const Datagram& reply, Nanos now) {
  // Usually all come in one datagram, in the order of the keys.
  std::string_view left = reply.payload;
  std::uint32_t count = 0;
  bool in_order = true;
  while (const auto entry = take_entry(left)) {
    in_order = in_order && entry->index == count;
    ++count;
    if (entry->index >= slot.keys) {
      ++counters_.garbage;
      return;
    }
  }
  if (!left.empty() || count == 0 || reply.header.value_bytes != slot.keys) {
    ++counters_.garbage;
    return;
  }
  if (in_order && count == slot.keys) {
    finish(slot, Completion{.small = reply.payload}, now);
    return;
  }
  if (!slot.entries) slot.entries = std::make_unique<InboundEntries>(slot.keys);
  left = reply.payload;
  bool news = false;
  for (std::string_view rest = left; const auto entry = take_entry(left); rest = left) {
    if (!slot.entries->here.add(entry->index)) continue;
    slot.entries->entries += rest.substr(0, rest.size() - left.size());
    news = true;
  }
  if (slot.entries->here.complete()) {
    Completion done;
    done.large = std::move(slot.entries->entries);
    finish(slot, std::move(done), now);
  } else if (news) {
    progress(slot, now);
  } else {
    ++counters_.late;
  }
}

}  // namespace minos
