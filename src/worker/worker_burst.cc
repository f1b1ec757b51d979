// One burst: parse, prefetch, execute.

#include <optional>
#include <utility>

#include "base/check.h"
#include "base/hash.h"
#include "worker/worker.h"

namespace minos {

namespace {

// Of the commands that carry a value; nullopt for the others.
std::optional<StoreMode> store_mode(TextOp op) {
  switch (op) {
    case TextOp::kSet:
      return StoreMode::kSet;
    case TextOp::kAdd:
      return StoreMode::kAdd;
    case TextOp::kReplace:
      return StoreMode::kReplace;
    case TextOp::kAppend:
      return StoreMode::kAppend;
    case TextOp::kPrepend:
      return StoreMode::kPrepend;
    case TextOp::kCas:
      return StoreMode::kCas;
    default:
      return std::nullopt;
  }
}

}  // namespace

void Worker::run_burst() {
  if (dispatches()) return dispatch_ready();
  offer_to_idle();
  if (!run_queue_.empty() || !large_queue_.empty()) mesh_.note_busy(config_.self);
  if (run_queue_.empty()) return;
  burst_start_ = clock_.now();
  pending_.clear();
  running_.clear();
  while (!run_queue_.empty() && pending_.size() < config_.burst_requests &&
         running_.size() < kBurstRequestsMax) {
    Connection& connection = run_queue_.pop_front();
    running_.push_back({&connection, false});
    running_.back().exhausted = parse_connection(connection);
  }
  execute_pending();
  for (const Running& run : running_) {
    settle(*run.connection, run.exhausted && !run.connection->cut);
    run.connection->cut = false;
  }
  report_.connections_run = static_cast<std::uint32_t>(running_.size());
  stats_.add(Counter::kBursts);
}

// Adds the connection's next commands to the burst; true when its input holds no further whole one.
bool Worker::parse_connection(Connection& connection) {
  if (connection.phase() == Connection::Phase::kClosing || !connection.runnable()) return false;
  if (connection.phase() != Connection::Phase::kCommand) {
    const bool upload = connection.phase() == Connection::Phase::kUpload;
    if (!connection.advance_body()) return true;
    if (upload && !connection.has_reply_room()) {
      connection.starving = true;
      return false;
    }
    if (upload && !finish_upload(connection)) return false;
  }
  if (!belongs_here(connection) && !connection.errand) return false;  // settle() sends it home
  std::size_t from = connection.input_begin();
  TextParser parser = connection.parser;
  while (pending_.size() < config_.burst_requests) {
    switch (parse_one(connection, from, parser)) {
      case Parsed::kNeedMore:
        return true;
      case Parsed::kOne:
        break;
      case Parsed::kLast:
        return false;
    }
  }
  return false;
}

Worker::Parsed Worker::parse_one(Connection& connection, std::size_t& from, TextParser& parser) {
  const std::string_view input = connection.input(from);
  if (input.empty()) return Parsed::kNeedMore;
  TextParser next = parser;
  const TextParse parse = next.parse(input);
  if (parse.kind == TextParse::Kind::kNeedMore) return Parsed::kNeedMore;
  Pending pending{&connection, parse, parser, next, from, from + parse.consumed, {}, {}, 0};
  bool last = parse.kind == TextParse::Kind::kError &&
              (parse.error.swallow_bytes != 0 || parse.error.close);
  if (parse.kind == TextParse::Kind::kCommand) {
    const TextCommand& command = parse.command;
    pending.store = store_mode(command.op);
    if (pending.store) {
      if (command.value_bytes > kInlineValueBytesMax) {
        last = true;
      } else {
        const std::size_t body_bytes = command.value_bytes + 2;
        if (input.size() - parse.consumed < body_bytes) return Parsed::kNeedMore;
        pending.body = input.substr(parse.consumed, body_bytes);
        pending.input_after += body_bytes;
      }
    }
  }
  if (!parse.command.key.empty()) {
    pending.key_hash = hash_key(parse.command.key);
    core_.prefetch_bucket(pending.key_hash);
  }
  parser = next;
  from = pending.input_after;
  pending_.push_back(pending);
  return last ? Parsed::kLast : Parsed::kOne;
}

void Worker::execute_pending() {
  if (pending_.empty()) return;
  if (pending_.size() > 1) {
    for (const Pending& pending : pending_) {
      if (pending.key_hash != 0) core_.prefetch_item(pending.key_hash);
    }
  }
  served_ = {};
  std::uint32_t executed = 0;
  for (Pending& pending : pending_) {
    Connection& connection = *pending.connection;
    // An earlier command of the same connection put it aside: this one is parsed again later.
    if (connection.moving || connection.cut || !connection.runnable() ||
        connection.phase() != Connection::Phase::kCommand) {
      connection.cut = true;
      continue;
    }
    if (moves_before(pending)) continue;
    if (!connection.has_reply_room()) {
      put_back_starving(pending);
      continue;
    }
    connection.consume_to(pending.input_after);
    connection.parser = pending.parser_after;
    connection.errand = false;
    connection.note_command(now_.unix_s);
    if (pending.parse.kind == TextParse::Kind::kError) {
      execute_error(pending);
    } else {
      execute(pending);
    }
    if (connection.cut) continue;
    if (!connection.output().empty() && !connection.moving) dirty_.push_back(connection);
    ++executed;
  }
  report_.requests += executed;
  stats_.add(Counter::kRequests, executed);
  if (executed == 0) return;
  const std::int64_t each = (clock_.now() - burst_start_).count() / executed;
  for (std::size_t i = 0; i < kReportClasses; ++i) {
    if (served_[i] != 0) stats_.service_ns[i].record(static_cast<std::uint64_t>(each), served_[i]);
  }
}

// The command, and what follows it on its connection, is parsed and executed again in a later step.
void Worker::put_back(const Pending& pending) {
  pending.connection->consume_to(pending.input_at);
  pending.connection->parser = pending.parser_before;
  pending.connection->cut = true;
}

// For want of a buffer to reply into.
void Worker::put_back_starving(const Pending& pending) {
  put_back(pending);
  pending.connection->starving = true;
}

// A large value that another core shall receive: the connection moves with its command unread.
bool Worker::moves_before(const Pending& pending) {
  if (pending.parse.kind != TextParse::Kind::kCommand) return false;
  const TextCommand& command = pending.parse.command;
  if (!pending.store || command.value_bytes <= kInlineValueBytesMax) return false;
  const Placement placement = place(RequestKind::kWrite, pending.key_hash, command.value_bytes);
  if (placement.where != Placement::Where::kHandOff) return false;
  pending.connection->errand = true;
  hand_off(*pending.connection, placement.core);
  return true;
}

}  // namespace minos
