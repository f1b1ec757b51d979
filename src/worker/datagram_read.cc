// Datagrams that change nothing: get, gat, multi-get, stats.

#include <algorithm>
#include <array>
#include <utility>

#include "base/hash.h"
#include "wire/exptime.h"
#include "worker/datagram_engine.h"

namespace minos {

namespace {

// The first byte behind the part of the value that a get asks for.
std::uint64_t end_of_range(const DatagramHeader& asked, std::uint64_t value_bytes,
                           std::uint64_t fragment_bytes) {
  if (asked.value_bytes == 0) return value_bytes;
  const std::uint64_t fragments = (asked.value_bytes + fragment_bytes - 1) / fragment_bytes;
  return std::min(value_bytes, asked.offset + fragments * fragment_bytes);
}

}  // namespace

void DatagramEngine::get(Request& request) {
  const std::optional<ItemRef>& item = request.lookup->item;
  // What follows the first window of a value is not another request.
  if (request.datagram.header.offset == 0 && !request.in.placed) {
    stats_.add(Counter::kCmdGet);
    stats_.add(item ? Counter::kGetHits : Counter::kGetMisses);
  }
  if (item) return send_item(request, *item);
  note_served(0);
  reply_status(request, DatagramStatus::kNotFound);
}

void DatagramEngine::get_and_touch(Request& request) {
  const UnixSeconds expiry = expires_at(request.datagram.expiry, now_.unix_s);
  const auto touched = core_.touch(request.datagram.key, request.key_hash, expiry, now_);
  stats_.add(Counter::kCmdTouch);
  stats_.add(touched ? Counter::kTouchHits : Counter::kTouchMisses);
  if (touched) return send_item(request, *touched);
  // Without memory for a later expiry it is served all the same: it may go early, as by eviction.
  const auto item = touched.error() == StoreStatus::kOutOfMemory
                        ? core_.find(request.datagram.key, request.key_hash, now_)
                        : std::nullopt;
  if (item) return send_item(request, *item);
  note_served(0);
  reply_status(request, DatagramStatus::kNotFound);
}

void DatagramEngine::send_item(Request& request, const ItemRef& item) {
  const DatagramHeader& asked = request.datagram.header;
  const bool changed = request.datagram.number != 0 && asked.op == DatagramOp::kGet &&
                       request.datagram.number != item.cas;
  if (changed) return reply_status(request, DatagramStatus::kChanged);
  if (asked.offset == 0 && !request.in.placed) stats_.sizes_read.record(item.value_bytes);
  const std::uint16_t fragment_bytes = asked.fragment_bytes == 0
                                           ? kReplyFragmentBytes
                                           : std::min(asked.fragment_bytes, kReplyFragmentBytes);
  // Any window holds the first fragment.
  if (item.value_bytes <= fragment_bytes && asked.offset == 0) [[likely]] {
    return send_small(request, item, fragment_bytes);
  }
  Datagram front = reply_to(request, DatagramStatus::kOk);
  front.header.value_bytes = static_cast<std::uint32_t>(item.value_bytes);
  front.header.fragment_bytes = fragment_bytes;
  front.header.offset = asked.offset;
  front.flags = item.meta.flags;
  front.number = item.cas;
  if (asked.offset != 0 && front.header.fragment_bytes != asked.fragment_bytes) {
    return reply_status(request, DatagramStatus::kMalformed, "fragment bytes");
  }
  if (asked.offset != 0 && asked.offset >= item.value_bytes) {
    return reply_status(request, DatagramStatus::kMalformed, "offset");
  }
  const std::uint64_t end = end_of_range(asked, item.value_bytes, front.header.fragment_bytes);
  if (item.large != nullptr) return send_large(request, item, front, end);
  const Placement placement = request.in.placed
                                  ? Placement()
                                  : place(RequestKind::kRead, request.key_hash, item.value_bytes);
  if (placement.where != Placement::Where::kHandOff) {
    note_served(item.value_bytes);
    return send_fragments(request, front, item.inline_value, end);
  }
  KeptPacket kept = keep(request.in);
  if (!kept || !forward(ForwardedRequest{std::move(kept), true}, placement.core)) {
    reply_status(request, DatagramStatus::kBusy);
  }
}

// Copied once, into its reply.
void DatagramEngine::send_small(Request& request, const ItemRef& item,
                                std::uint16_t fragment_bytes) {
  note_served(item.value_bytes);
  Datagram front = reply_to(request, DatagramStatus::kOk);
  front.header.value_bytes = static_cast<std::uint32_t>(item.value_bytes);
  front.header.fragment_bytes = fragment_bytes;
  front.flags = item.meta.flags;
  front.number = item.cas;
  reply(*request.in.peer, front, item.inline_value);
  stats_.add(Counter::kValueBytes, item.value_bytes);
}

// `value` stays readable until the replies of this step are sent.
void DatagramEngine::send_fragments(Request& request, const Datagram& front, std::string_view value,
                                    std::uint64_t end) {
  DatagramPort& out = port(*request.in.peer);
  Datagram next = front;
  std::array<char, kDatagramFrontBytesMax> bytes;
  do {
    const std::string_view payload = value.substr(next.header.offset, next.header.fragment_bytes);
    const iovec part{const_cast<char*>(payload.data()), payload.size()};
    const std::size_t front_bytes = write_front(next, bytes.data());
    const std::size_t parts = payload.empty() ? 0 : 1;
    if (!out.gather(*request.in.peer, {bytes.data(), front_bytes}, {&part, parts})) {
      return stats_.add(Counter::kRepliesDropped);
    }
    stats_.add(Counter::kReplyFragments);
    stats_.add(Counter::kValueBytes, payload.size());
    next.header.offset += static_cast<std::uint32_t>(payload.size());
  } while (next.header.offset < end);
}

void DatagramEngine::send_large(Request& request, const ItemRef& item, const Datagram& front,
                                std::uint64_t end) {
  LargeReply reply;
  reply.peer = *request.in.peer;
  reply.request_id = front.header.request_id;
  reply.op = front.header.op;
  reply.queues = front.header.queue;
  reply.token = front.header.token;
  reply.value = core_.pin(item);
  reply.flags = front.flags;
  reply.cas = front.number;
  reply.next = reply.value.begin();
  reply.value.advance(reply.next, front.header.offset);
  reply.end = end;
  reply.fragment_bytes = front.header.fragment_bytes;
  reply.placed = now_.mono;
  const Placement placement = place(RequestKind::kRead, request.key_hash, item.value_bytes);
  if (placement.where == Placement::Where::kHandOff) {
    if (!forward(std::move(reply), placement.core)) reply_status(request, DatagramStatus::kBusy);
    return;
  }
  if (placement.where == Placement::Where::kRunNow) {
    note_served(item.value_bytes);
    // Behind others that this core has not finished, it waits for its turn as they do.
    if (large_.empty()) send_fragments(reply, ~std::uint32_t{0});
    if (reply.done()) return stats_.add(Counter::kLargeRequests);
    must_finish_ = true;
  }
  if (large_.size() >= kLargeRepliesMax) return reply_status(request, DatagramStatus::kBusy);
  large_.push_back(std::move(reply));
}

// Returns bytes of the value.
std::uint64_t DatagramEngine::send_fragments(LargeReply& reply, std::uint32_t packets_max) {
  const std::uint64_t from = reply.next.value_offset;
  stats_.add(Counter::kReplyFragments, reply.send(port(reply.peer), packets_max));
  const std::uint64_t bytes = std::min(reply.next.value_offset, reply.end) - from;
  stats_.add(Counter::kValueBytes, bytes);
  return bytes;
}

// A plan that came after the reply was placed may give it to another core.
void DatagramEngine::pass_on_large() {
  const LargeReply& first = large_.front();
  const Placement placement = place(RequestKind::kRead, 0, first.value.value_bytes());
  if (placement.where != Placement::Where::kHandOff) return;
  if (!shared_.mesh.has_room(config_.self.value, placement.core.value)) {
    return stats_.add(Counter::kRingFull);
  }
  forward(std::move(large_.front()), placement.core);
  large_.pop_front();
}

std::uint64_t DatagramEngine::send_quantum() {
  LargeReply& reply = large_.front();
  if (reply.started == Nanos(0)) {
    reply.started = clock_.now();
    const std::int64_t waited = std::max<std::int64_t>((now_.mono - reply.placed).count(), 0);
    const auto index = static_cast<std::size_t>(report_class_of(reply.value.value_bytes(), *plan_));
    stats_.queue_wait_ns[index].record(static_cast<std::uint64_t>(waited));
  }
  const auto waiting = static_cast<std::uint32_t>(large_.size());
  const std::uint32_t packets =
      must_finish_ ? ~std::uint32_t{0}
                   : std::min(config_.quantum_packets * waiting, config_.quantum_packets_max);
  const std::uint64_t bytes = send_fragments(reply, packets);
  if (reply.done()) {
    finish_large(reply);
    large_.pop_front();
    if (large_.empty()) must_finish_ = false;
  }
  return bytes;
}

void DatagramEngine::finish_large(const LargeReply& reply) {
  stats_.add(Counter::kLargeRequests);
  const std::int64_t elapsed = (clock_.now() - reply.started).count();
  const auto index = static_cast<std::size_t>(report_class_of(reply.value.value_bytes(), *plan_));
  stats_.service_ns[index].record(static_cast<std::uint64_t>(std::max<std::int64_t>(elapsed, 0)));
}

// Entries fill datagram after datagram; one that fits into none says so.
void DatagramEngine::multi_get(Request& request) {
  std::uint32_t count = 0;
  std::string_view rest = request.datagram.payload;
  while (count < multi_get_.size()) {
    const auto key = take_key(rest);
    if (!key) break;
    multi_get_[count++] = {.key = *key, .hash = hash_key(*key)};
  }
  if (!rest.empty() || count == 0) {
    return reply_status(request, DatagramStatus::kMalformed, "keys");
  }
  core_.find_batch(std::span(multi_get_).first(count), now_);
  note_served(0);
  DatagramPort& out = port(*request.in.peer);
  Datagram front = reply_to(request, DatagramStatus::kOk);
  front.header.value_bytes = count;
  char* room = nullptr;
  std::size_t used = 0;
  std::uint32_t first = 0;
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::optional<ItemRef>& item = multi_get_[i].item;
    stats_.add(Counter::kCmdGet);
    stats_.add(item ? Counter::kGetHits : Counter::kGetMisses);
    MultiGetEntry entry;
    entry.index = static_cast<std::uint16_t>(i);
    entry.status = item ? DatagramStatus::kOk : DatagramStatus::kNotFound;
    const std::size_t room_bytes = kDatagramBytesMax - kDatagramHeaderBytes - kMultiGetEntryBytes;
    if (item) {
      stats_.sizes_read.record(item->value_bytes);
      entry.flags = item->meta.flags;
      entry.cas = item->cas;
      if (item->value_bytes > room_bytes) {
        entry.status = DatagramStatus::kTooLarge;
      } else {
        entry.value = item->inline_value;
      }
    }
    const std::size_t bytes = kMultiGetEntryBytes + entry.value.size();
    if (room != nullptr && used + bytes > kDatagramBytesMax) {
      out.commit(used);
      room = nullptr;
    }
    if (room == nullptr) {
      room = out.room(*request.in.peer);
      if (room == nullptr) return stats_.add(Counter::kRepliesDropped);
      first = i;
      front.header.offset = first;
      used = write_front(front, room);
    }
    write_entry(entry, room + used);
    used += bytes;
  }
  out.commit(used);
}

// Fragments of one report must not be taken for those of another: each has a number of its own.
void DatagramEngine::show_stats(Request& request) {
  note_served(0);
  auto text = std::make_unique<std::string>();
  if (!stats_source_.append_stats(request.datagram.payload, now_, *text)) {
    return reply_status(request, DatagramStatus::kMalformed, "argument");
  }
  Datagram front = reply_to(request, DatagramStatus::kOk);
  front.header.value_bytes = static_cast<std::uint32_t>(text->size());
  front.header.fragment_bytes = kReplyFragmentBytes;
  front.number = (std::uint64_t{config_.self.value} << 48) + ++snapshots_;
  send_fragments(request, front, *text, text->size());
  texts_.push_back(std::move(text));
}

}  // namespace minos
