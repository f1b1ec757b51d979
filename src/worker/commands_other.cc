// Everything that carries no value: delete, incr, decr, touch, flush_all, and the administrative
// commands; and the dispatch to all commands.

#include <charconv>

#include "wire/exptime.h"
#include "wire/memcache_reply.h"
#include "worker/worker.h"

namespace minos {

void Worker::execute(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  switch (command.op) {
    case TextOp::kGet:
    case TextOp::kGets:
    case TextOp::kGat:
    case TextOp::kGats:
      return retrieve(pending);
    case TextOp::kSet:
    case TextOp::kAdd:
    case TextOp::kReplace:
    case TextOp::kAppend:
    case TextOp::kPrepend:
    case TextOp::kCas:
      return command.value_bytes > kInlineValueBytesMax ? store_large(pending)
                                                        : store_inline(pending);
    case TextOp::kDelete:
      return remove(pending);
    case TextOp::kIncr:
    case TextOp::kDecr:
      return arith(pending);
    case TextOp::kTouch:
      return touch(pending);
    case TextOp::kFlushAll:
      return flush_all(pending);
    case TextOp::kVersion:
      return pending.connection->reply(config_.version_reply);
    case TextOp::kVerbosity:
      return set_verbosity(pending);
    case TextOp::kStats:
      return show_stats(pending);
    case TextOp::kQuit:
      return pending.connection->begin_closing();
    case TextOp::kShutdown:
      return shut_down(pending);
  }
}

void Worker::execute_error(Pending& pending) {
  const TextError& error = pending.parse.error;
  const TextCommand& command = pending.parse.command;
  Connection& connection = *pending.connection;
  connection.reply(error.reply);
  if (error.swallow_bytes != 0) {
    stats_.add(Counter::kTooLarge);
    // As memcached: a set that is refused leaves no older value to be served.
    if (command.op == TextOp::kSet) core_.remove(command.key, pending.key_hash, now_);
  }
  if (error.close) {
    connection.begin_closing();
  } else if (error.swallow_bytes != 0) {
    connection.begin_swallow(error.swallow_bytes);
  }
}

void Worker::remove(Pending& pending) {
  note_served(*pending.connection, 0);
  const TextCommand& command = pending.parse.command;
  const bool removed = core_.remove(command.key, pending.key_hash, now_);
  stats_.add(removed ? Counter::kDeleteHits : Counter::kDeleteMisses);
  if (command.noreply) return;
  pending.connection->reply(removed ? text_reply::kDeleted : text_reply::kNotFound);
}

void Worker::arith(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  const bool increment = command.op == TextOp::kIncr;
  const auto value = core_.arith(command.key, pending.key_hash, increment, command.delta, now_);
  const bool refused = !value && value.error() == ArithError::kOutOfMemory;
  if (try_again_later(pending, refused ? StoreStatus::kOutOfMemory : StoreStatus::kStored)) return;
  note_served(*pending.connection, 0);
  if (value) {
    stats_.add(increment ? Counter::kIncrHits : Counter::kDecrHits);
  } else if (value.error() == ArithError::kNotFound) {
    stats_.add(increment ? Counter::kIncrMisses : Counter::kDecrMisses);
  }
  if (command.noreply) return;
  Connection& connection = *pending.connection;
  if (value) {
    static_assert(kNumberReplyBytesMax <= Connection::kReplyRoomBytes);
    char* const to = connection.reserve_reply(kNumberReplyBytesMax);
    return connection.wrote_reply(write_number_reply(to, *value));
  }
  switch (value.error()) {
    case ArithError::kNotFound:
      return connection.reply(text_reply::kNotFound);
    case ArithError::kNonNumeric:
      return connection.reply(text_reply::kNonNumeric);
    case ArithError::kOutOfMemory:
      return connection.reply(text_reply::kOutOfMemoryIncr);
  }
}

void Worker::touch(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  const auto item =
      core_.touch(command.key, pending.key_hash, expires_at(command.exptime, now_.unix_s), now_);
  const StoreStatus status = item ? StoreStatus::kStored : item.error();
  if (try_again_later(pending, status)) return;
  note_served(*pending.connection, 0);
  stats_.add(Counter::kCmdTouch);
  stats_.add(status == StoreStatus::kNotFound ? Counter::kTouchMisses : Counter::kTouchHits);
  if (status == StoreStatus::kOutOfMemory) stats_.add(Counter::kOutOfMemory);
  if (command.noreply) return;
  pending.connection->reply(status == StoreStatus::kStored     ? text_reply::kTouched
                            : status == StoreStatus::kNotFound ? text_reply::kNotFound
                                                               : text_reply::kOutOfMemory);
}

void Worker::flush_all(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  stats_.add(Counter::kCmdFlush);
  store_.flush_all(flush_at(command.exptime, now_.unix_s), now_);
  if (!command.noreply) pending.connection->reply(text_reply::kOk);
}

void Worker::set_verbosity(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  std::uint32_t level = 0;
  std::from_chars(command.argument.data(), command.argument.data() + command.argument.size(),
                  level);
  stats_source_.set_verbosity(level);
  if (!command.noreply) pending.connection->reply(text_reply::kOk);
}

void Worker::show_stats(Pending& pending) {
  scratch_.clear();
  const bool known = stats_source_.append_stats(pending.parse.command.argument, now_, scratch_);
  pending.connection->reply(known ? std::string_view(scratch_) : text_reply::kError);
}

void Worker::shut_down(Pending& pending) {
  if (!config_.shutdown_enabled) {
    pending.connection->reply(text_reply::kShutdownOff);
    return;
  }
  const std::string_view mode = pending.parse.command.argument;
  if (!mode.empty() && mode != "graceful") {
    pending.connection->reply(text_reply::kBadShutdownMode);
    return;
  }
  report_.shutdown = true;
  pending.connection->begin_closing();
}

}  // namespace minos
