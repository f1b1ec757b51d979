// Datagrams that change something. Each is looked up among the last writes of its client first.

#include <utility>

#include "base/hash.h"
#include "wire/exptime.h"
#include "worker/datagram_engine.h"
#include "worker/store_outcome.h"

namespace minos {

StoreMode store_mode_of(DatagramOp op) {
  switch (op) {
    case DatagramOp::kAdd:
      return StoreMode::kAdd;
    case DatagramOp::kReplace:
      return StoreMode::kReplace;
    case DatagramOp::kCas:
      return StoreMode::kCas;
    case DatagramOp::kAppend:
      return StoreMode::kAppend;
    case DatagramOp::kPrepend:
      return StoreMode::kPrepend;
    default:
      return StoreMode::kSet;
  }
}

void DatagramEngine::write(Request& request) {
  const Datagram& datagram = request.datagram;
  const bool whole = datagram.payload.size() == datagram.header.value_bytes;
  if (is_store(datagram.header.op) && !whole) return write_fragment(request);
  const WriteWindow::Entry entry =
      window(*request.in.peer).begin(*request.in.peer, datagram.write, config_.self, now_.mono);
  switch (entry.kind) {
    case WriteWindow::Entry::Kind::kFull:
      return reply_status(request, DatagramStatus::kBusy);
    case WriteWindow::Entry::Kind::kStale:
      return stats_.add(Counter::kStaleWrites);
    case WriteWindow::Entry::Kind::kRunning:  // its reply comes
      return stats_.add(Counter::kRepeatedWrites);
    case WriteWindow::Entry::Kind::kDone:
      stats_.add(Counter::kRepeatedWrites);
      return reply_outcome(request, entry.outcome);
    case WriteWindow::Entry::Kind::kNew:
      return run_write(request, entry.ticket);
  }
}

void DatagramEngine::run_write(Request& request, const WriteWindow::Ticket& ticket) {
  note_served(request.datagram.header.value_bytes);
  WaitingWrite waiting;
  waiting.ticket = ticket;
  const auto outcome = execute_write(request, waiting);
  if (outcome) {
    window(*request.in.peer).finish(ticket, *outcome);
    return reply_outcome(request, *outcome);
  }
  if (waiting_.size() < kWaitingWritesMax) waiting.packet = keep(request.in);
  if (waiting.packet) return waiting_.push_back(std::move(waiting));
  window(*request.in.peer).forget(ticket);
  reply_status(request, DatagramStatus::kBusy);
}

// Those that found no memory, although some is being freed.
void DatagramEngine::retry_waiting_writes() {
  for (std::size_t left = waiting_.size(); left > 0; --left) {
    WaitingWrite waiting = std::move(waiting_.front());
    waiting_.pop_front();
    Request request;
    request.in = {
        &waiting.packet.peer(), waiting.packet.bytes(), nullptr, &waiting.packet, false, true};
    if (!admit(Incoming(request.in), request)) continue;
    if (!request.datagram.key.empty()) request.key_hash = hash_key(request.datagram.key);
    const auto outcome = execute_write(request, waiting);
    if (!outcome) {
      waiting_.push_back(std::move(waiting));
      continue;
    }
    window(*request.in.peer).finish(waiting.ticket, *outcome);
    reply_outcome(request, *outcome);
  }
}

// nullopt: it is to be tried again in a later step.
std::optional<WriteOutcome> DatagramEngine::execute_write(const Request& request,
                                                          WaitingWrite& waiting) {
  const Datagram& datagram = request.datagram;
  switch (datagram.header.op) {
    case DatagramOp::kDelete: {
      const bool removed = core_.remove(datagram.key, request.key_hash, now_);
      stats_.add(removed ? Counter::kDeleteHits : Counter::kDeleteMisses);
      return WriteOutcome{removed ? DatagramStatus::kOk : DatagramStatus::kNotFound};
    }
    case DatagramOp::kIncr:
    case DatagramOp::kDecr:
      return arith(request, waiting);
    case DatagramOp::kTouch:
      return touch(request, waiting);
    case DatagramOp::kFlushAll:
      stats_.add(Counter::kCmdFlush);
      store_.flush_all(flush_at(datagram.expiry, now_.unix_s), now_);
      return WriteOutcome{};
    default:
      return store(request, waiting);
  }
}

std::optional<WriteOutcome> DatagramEngine::store(const Request& request, WaitingWrite& waiting) {
  const Datagram& datagram = request.datagram;
  const StoreMode mode = store_mode_of(datagram.header.op);
  const ItemMeta meta{datagram.flags, expires_at(datagram.expiry, now_.unix_s)};
  const StoreStatus status = core_.put(mode, datagram.key, request.key_hash, meta, datagram.payload,
                                       datagram.number, now_);
  if (waiting.memory.goes_on(status, core_, now_.mono, stats_)) return std::nullopt;
  stats_.sizes_written.record(datagram.payload.size());
  stats_.add(Counter::kValueBytes, datagram.payload.size());
  return outcome_of(mode, status, datagram.key, request.key_hash);
}

std::optional<WriteOutcome> DatagramEngine::arith(const Request& request, WaitingWrite& waiting) {
  const Datagram& datagram = request.datagram;
  const bool increment = datagram.header.op == DatagramOp::kIncr;
  const auto value = core_.arith(datagram.key, request.key_hash, increment, datagram.number, now_);
  if (value) {
    stats_.add(increment ? Counter::kIncrHits : Counter::kDecrHits);
    return WriteOutcome{DatagramStatus::kOk, *value};
  }
  switch (value.error()) {
    case ArithError::kNotFound:
      stats_.add(increment ? Counter::kIncrMisses : Counter::kDecrMisses);
      return WriteOutcome{DatagramStatus::kNotFound};
    case ArithError::kNonNumeric:
      return WriteOutcome{DatagramStatus::kNonNumeric};
    case ArithError::kOutOfMemory:
      break;
  }
  if (waiting.memory.goes_on(StoreStatus::kOutOfMemory, core_, now_.mono, stats_)) {
    return std::nullopt;
  }
  return WriteOutcome{DatagramStatus::kOutOfMemory};
}

std::optional<WriteOutcome> DatagramEngine::touch(const Request& request, WaitingWrite& waiting) {
  const Datagram& datagram = request.datagram;
  const UnixSeconds expiry = expires_at(datagram.expiry, now_.unix_s);
  const auto item = core_.touch(datagram.key, request.key_hash, expiry, now_);
  const StoreStatus status = item ? StoreStatus::kStored : item.error();
  if (waiting.memory.goes_on(status, core_, now_.mono, stats_)) return std::nullopt;
  stats_.add(Counter::kCmdTouch);
  stats_.add(item ? Counter::kTouchHits : Counter::kTouchMisses);
  if (item) return WriteOutcome{};
  const bool full = status == StoreStatus::kOutOfMemory;
  if (full) stats_.add(Counter::kOutOfMemory);
  return WriteOutcome{full ? DatagramStatus::kOutOfMemory : DatagramStatus::kNotFound};
}

WriteOutcome DatagramEngine::outcome_of(StoreMode mode, StoreStatus status, std::string_view key,
                                        std::uint64_t key_hash) {
  stats_.add(Counter::kCmdSet);
  count_stored(stats_, mode, status);
  drop_refused(core_, mode, status, key, key_hash, now_);
  switch (status) {
    case StoreStatus::kStored:
      return {DatagramStatus::kOk, core_.last_cas()};
    case StoreStatus::kNotStored:
      return {mode == StoreMode::kAdd ? DatagramStatus::kExists : DatagramStatus::kNotFound};
    case StoreStatus::kExists:
      return {DatagramStatus::kExists};
    case StoreStatus::kNotFound:
      return {DatagramStatus::kNotFound};
    case StoreStatus::kTooLarge:
      return {DatagramStatus::kTooLarge};
    case StoreStatus::kOutOfMemory:
      break;
  }
  return {DatagramStatus::kOutOfMemory};
}

}  // namespace minos
