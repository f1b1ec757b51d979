// set, add, replace, append, prepend, cas: inline bodies at once, large ones as they arrive.

#include <memory>
#include <utility>

#include "base/check.h"
#include "wire/exptime.h"
#include "wire/memcache_reply.h"
#include "worker/store_outcome.h"
#include "worker/worker.h"

namespace minos {

void Worker::store_inline(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  Connection& connection = *pending.connection;
  std::string_view value = pending.body;
  if (!value.ends_with("\r\n")) {
    stats_.add(Counter::kCmdSet);
    if (!command.noreply) connection.reply(text_reply::kBadDataChunk);
    return;
  }
  value.remove_suffix(2);
  const StoreMode mode = *pending.store;
  const ItemMeta meta{command.flags, expires_at(command.exptime, now_.unix_s)};
  const StoreStatus status =
      core_.put(mode, command.key, pending.key_hash, meta, value, command.cas, now_);
  if (try_again_later(pending, status)) return;
  drop_refused(core_, mode, status, command.key, pending.key_hash, now_);
  note_served(connection, command.value_bytes);
  stats_.add(Counter::kCmdSet);
  stats_.sizes_written.record(value.size());
  reply_store(connection, mode, status, command.noreply);
}

void Worker::store_large(Pending& pending) {
  const TextCommand& command = pending.parse.command;
  Connection& connection = *pending.connection;
  const ItemMeta meta{command.flags, expires_at(command.exptime, now_.unix_s)};
  std::unique_ptr<Upload> upload = std::move(connection.reserving);
  StoreStatus status = StoreStatus::kStored;
  if (upload == nullptr) {
    upload = std::make_unique<Upload>();
    auto draft = core_.reserve(command.key, pending.key_hash, meta, command.value_bytes, now_);
    if (!draft) status = draft.error();
    if (draft) upload->draft = std::move(*draft);
  } else {
    const std::uint64_t before = upload->draft.reserved_bytes();
    core_.reserve_more(upload->draft, now_);
    if (upload->draft.reserved_bytes() != before) connection.memory_wait.restart();
  }
  if (upload->draft && !upload->draft.reserved()) status = StoreStatus::kOutOfMemory;
  if (try_again_later(pending, status)) {
    if (upload->draft) connection.reserving = std::move(upload);
    return;
  }
  stats_.sizes_written.record(command.value_bytes);
  if (status != StoreStatus::kStored) {
    stats_.add(Counter::kCmdSet);
    drop_refused(core_, *pending.store, status, command.key, pending.key_hash, now_);
    reply_store(connection, *pending.store, status, command.noreply);
    connection.begin_swallow(command.value_bytes + 2);
    return;
  }
  upload->mode = *pending.store;
  upload->noreply = command.noreply;
  upload->cas = command.cas;
  const Placement placement = place(RequestKind::kWrite, pending.key_hash, command.value_bytes);
  upload->large = placement.where == Placement::Where::kLargeQueue;
  if (upload->large) {
    place_large(connection, command.value_bytes);
  } else {
    note_served(connection, command.value_bytes);
  }
  connection.begin_upload(std::move(upload));
  has_uploads_ = true;
  // What came with the command line goes first: the rest is received behind it in the store.
  connection.advance_body();
}

// A write that found no memory, or not all, although more is being freed: put back, to be executed
// again in a later step.
bool Worker::try_again_later(Pending& pending, StoreStatus status) {
  Connection& connection = *pending.connection;
  if (!connection.memory_wait.goes_on(status, core_, now_.mono, stats_)) return false;
  put_back(pending);
  connection.errand = true;  // it is executed here, and not sent home before
  return true;
}

// False: publishing it has to be tried again.
bool Worker::finish_upload(Connection& connection) {
  const bool terminated = connection.body_terminated();
  StoreStatus status = StoreStatus::kStored;
  if (terminated) {
    Upload& unpublished = connection.upload();
    ItemDraft& draft = unpublished.draft;
    status = core_.publish(unpublished.mode, draft, unpublished.cas, now_);
    if (connection.memory_wait.goes_on(status, core_, now_.mono, stats_)) return false;
    if (draft) drop_refused(core_, unpublished.mode, status, draft.key(), draft.key_hash(), now_);
  }
  const std::unique_ptr<Upload> upload = connection.finish_upload();
  stats_.add(Counter::kCmdSet);
  large_queue_.remove(connection);
  if (upload->large) finish_large(connection);
  if (!terminated) {
    if (!upload->noreply) connection.reply(text_reply::kBadDataChunk);
  } else {
    reply_store(connection, upload->mode, status, upload->noreply);
  }
  if (!connection.output().empty()) dirty_.push_back(connection);
  return true;
}

void Worker::reply_store(Connection& connection, StoreMode mode, StoreStatus status, bool noreply) {
  count_stored(stats_, mode, status);
  if (noreply) return;
  switch (status) {
    case StoreStatus::kStored:
      return connection.reply(text_reply::kStored);
    case StoreStatus::kNotStored:
      return connection.reply(text_reply::kNotStored);
    case StoreStatus::kExists:
      return connection.reply(text_reply::kExists);
    case StoreStatus::kNotFound:
      return connection.reply(text_reply::kNotFound);
    case StoreStatus::kTooLarge:
      // As memcached: growing a value beyond the limit leaves it as it is.
      return connection.reply(mode == StoreMode::kAppend || mode == StoreMode::kPrepend
                                  ? text_reply::kNotStored
                                  : text_reply::kTooLarge);
    case StoreStatus::kOutOfMemory:
      return connection.reply(text_reply::kOutOfMemory);
  }
}

}  // namespace minos
