// get, gets, gat, gats.

#include <cstring>
#include <optional>
#include <utility>

#include "wire/exptime.h"
#include "wire/memcache_reply.h"
#include "worker/worker.h"

namespace minos {

namespace {

constexpr std::string_view kTail = "\r\n";
constexpr std::string_view kTailWithEnd = "\r\nEND\r\n";
static_assert(kValueHeaderBytesMax + kInlineValueBytesMax + kTailWithEnd.size() <=
              BufferPool::kBufferBytes);

}  // namespace

Placement Worker::place(RequestKind kind, std::uint64_t key_hash, std::uint64_t value_bytes) const {
  // Moving a connection costs more than sending what is stored inline.
  if (value_bytes <= kInlineValueBytesMax) return Placement();
  return policy_.place({kind, key_hash, value_bytes, config_.self}, *plan_);
}

void Worker::retrieve(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  Connection& connection = *pending.connection;
  const bool touches = command.op == TextOp::kGat || command.op == TextOp::kGats;
  std::optional<ItemRef> item;
  bool look_up = !touches;
  if (touches) {
    const auto touched =
        core_.touch(command.key, pending.key_hash, expires_at(command.exptime, now_.unix_s), now_);
    const StoreStatus status = touched ? StoreStatus::kStored : touched.error();
    if (try_again_later(pending, status)) return;
    if (touched) item = *touched;
    // Without memory for a later expiry it is served all the same: it may go early, as by eviction.
    look_up = status == StoreStatus::kOutOfMemory;
  }
  if (look_up) item = core_.find(command.key, pending.key_hash, now_);
  char* room = nullptr;
  if (item) {
    const std::uint64_t body_bytes =
        item->large == nullptr ? item->value_bytes + kTailWithEnd.size() : 0;
    room = connection.reserve_reply(kValueHeaderBytesMax + body_bytes);
    if (room == nullptr) return put_back_starving(pending);
  }
  if (touches) {
    stats_.add(Counter::kCmdTouch);
    stats_.add(item ? Counter::kTouchHits : Counter::kTouchMisses);
  } else {
    stats_.add(Counter::kCmdGet);
    stats_.add(item ? Counter::kGetHits : Counter::kGetMisses);
  }
  if (!item) {
    note_served(connection, 0);
    if (command.last_key) connection.reply(text_reply::kEnd);
    return;
  }
  stats_.sizes_read.record(item->value_bytes);
  if (item->large == nullptr) {
    send_inline(pending, *item, room);
  } else {
    send_large(pending, *item, room);
  }
}

std::size_t Worker::write_header(const TextCommand& command, const ItemRef& item, char* to) const {
  std::optional<std::uint64_t> cas;
  if (command.op == TextOp::kGets || command.op == TextOp::kGats) {
    cas = config_.cas_enabled ? item.cas : 0;
  }
  return write_value_header(to, command.key, item.meta.flags, item.value_bytes, cas);
}

void Worker::send_inline(Pending& pending, const ItemRef& item, char* room) {
  const TextCommand& command = pending.parse.command;
  Connection& connection = *pending.connection;
  note_served(connection, item.value_bytes);
  char* to = room + write_header(command, item, room);
  std::memcpy(to, item.inline_value.data(), item.inline_value.size());
  to += item.inline_value.size();
  const std::string_view tail = command.last_key ? kTailWithEnd : kTail;
  std::memcpy(to, tail.data(), tail.size());
  connection.wrote_reply(static_cast<std::size_t>(to - room) + tail.size());
}

void Worker::send_large(Pending& pending, const ItemRef& item, char* room) {
  const TextCommand& command = pending.parse.command;
  Connection& connection = *pending.connection;
  const Placement placement = place(RequestKind::kRead, pending.key_hash, item.value_bytes);
  connection.wrote_reply(write_header(command, item, room));
  const std::string_view tail = command.last_key ? kTailWithEnd : kTail;
  if (placement.where == Placement::Where::kRunNow) {
    note_served(connection, item.value_bytes);
    connection.output().append_value(core_.pin(item));
    connection.output().append_static(tail);
    return;
  }
  connection.output().append_large(core_.pin(item));
  connection.output().append_static(tail);
  place_large(connection, item.value_bytes);
  if (placement.where == Placement::Where::kHandOff) {
    hand_off(connection, placement.core);
  } else {
    queue_large(connection);
  }
}

void Worker::place_large(Connection& connection, std::uint64_t value_bytes) {
  connection.large_value_bytes = value_bytes;
  connection.large_placed = now_.mono;
  connection.large_started = Nanos(0);
}

}  // namespace minos
