#include "client/client_impl.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "wire/datagram.h"

namespace minos {
namespace {

constexpr std::size_t kGroupKeysMax = 32;
constexpr std::size_t kGroupBytesMax = 1000;

DatagramOp op_of(Client::Op op) {
  switch (op) {
    case Client::Op::kPing:
      return DatagramOp::kNoop;
    case Client::Op::kGet:
      return DatagramOp::kGet;
    case Client::Op::kGetAndTouch:
      return DatagramOp::kGat;
    case Client::Op::kSet:
      return DatagramOp::kSet;
    case Client::Op::kAdd:
      return DatagramOp::kAdd;
    case Client::Op::kReplace:
      return DatagramOp::kReplace;
    case Client::Op::kCompareAndSet:
      return DatagramOp::kCas;
    case Client::Op::kAppend:
      return DatagramOp::kAppend;
    case Client::Op::kPrepend:
      return DatagramOp::kPrepend;
    case Client::Op::kRemove:
      return DatagramOp::kDelete;
    case Client::Op::kIncr:
      return DatagramOp::kIncr;
    case Client::Op::kDecr:
      return DatagramOp::kDecr;
    case Client::Op::kTouch:
      return DatagramOp::kTouch;
    case Client::Op::kStats:
      return DatagramOp::kStats;
    case Client::Op::kFlushAll:
      return DatagramOp::kFlushAll;
  }
  return DatagramOp::kNoop;
}

// With the views that the op has.
SessionRequest request_of(const Client::Operation& operation) {
  SessionRequest out;
  out.op = op_of(operation.op);
  if (has_key(out.op)) out.key = operation.key;
  if (is_store(out.op) || out.op == DatagramOp::kStats) out.value = operation.value;
  out.flags = operation.flags;
  out.expiry = operation.expiry;
  out.number = out.op == DatagramOp::kGet ? 0 : operation.number;
  return out;
}

Client::Value value_of(Completion& completion) {
  Client::Value out;
  out.bytes =
      completion.large.empty() ? std::string(completion.small) : std::move(completion.large);
  out.flags = completion.flags;
  out.cas = completion.number;
  return out;
}

ClientError error_of(const Completion& completion) {
  ClientError out;
  out.status = completion.status;
  out.maybe_executed = completion.maybe_executed;
  out.message = status_text(completion.status);
  if (!completion.value().empty()) {
    out.message += ": ";
    out.message += completion.value().substr(0, 200);
  }
  return out;
}

bool gives_value(DatagramOp op) {
  return op == DatagramOp::kGet || op == DatagramOp::kGat || op == DatagramOp::kStats;
}

Client::Result<Client::Reply> reply_of(DatagramOp op, Completion& completion) {
  const bool gets = op == DatagramOp::kGet || op == DatagramOp::kGat;
  if (gets && completion.status == ClientStatus::kNotFound) return Client::Reply{};
  if (completion.status != ClientStatus::kOk) return std::unexpected(error_of(completion));
  Client::Reply out;
  out.number = completion.number;
  if (gives_value(op)) out.value = value_of(completion);
  return out;
}

}  // namespace

Client::Impl::Pending& Client::Impl::pending(std::uint32_t& index) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(pending_.size()));
    pending_.push_back(std::make_unique<Pending>());
  }
  index = free_.back();
  free_.pop_back();
  return *pending_[index];
}

void Client::Impl::release(std::uint32_t index) {
  *pending_[index] = Pending();
  free_.push_back(index);
}

Client::Result<void> Client::Impl::begin(const SessionRequest& request, std::uint32_t index) {
  SessionRequest tagged = request;
  tagged.tag = index;
  auto started = backend_->start(tagged);
  if (!started) release(index);
  return started;
}

Client::Result<void> Client::Impl::start(Operation operation, Callback callback) {
  std::uint32_t index = 0;
  Pending& waiting = pending(index);
  waiting.operation = std::move(operation);
  waiting.callback = std::move(callback);
  return begin(request_of(waiting.operation), index);
}

Client::Result<void> Client::Impl::begin_when_room(const SessionRequest& request,
                                                   const OnCompletion& done) {
  if (in_callback_) {
    return std::unexpected(ClientError{.status = ClientStatus::kInvalid,
                                       .message = "a callback must not wait for requests"});
  }
  for (;;) {
    std::uint32_t index = 0;
    pending(index).on_completion = done;
    auto started = begin(request, index);
    const bool full = !started && started.error().status == ClientStatus::kTooMany;
    if (!full || outstanding() == 0) return started;
    poll(std::chrono::seconds(1));
  }
}

Client::Result<Client::Reply> Client::Impl::call(const SessionRequest& request) {
  std::optional<Result<Reply>> out;
  auto started = begin_when_room(
      request, [&](Completion& completion) { out = reply_of(request.op, completion); });
  if (!started) return std::unexpected(started.error());
  while (!out) poll(std::chrono::seconds(1));
  return std::move(*out);
}

std::size_t Client::Impl::poll(std::chrono::nanoseconds timeout) {
  if (in_callback_) return 0;
  done_.clear();
  backend_->poll(timeout, done_);
  for (Completion& completion : done_) dispatch(completion);
  return done_.size();
}

void Client::Impl::wait_all() {
  while (!in_callback_ && outstanding() > 0) poll(std::chrono::seconds(1));
}

void Client::Impl::dispatch(Completion& completion) {
  const auto index = static_cast<std::uint32_t>(completion.tag);
  Pending waiting = std::move(*pending_[index]);
  release(index);
  if (waiting.on_completion) {
    waiting.on_completion(completion);
    return;
  }
  if (!waiting.callback) return;
  in_callback_ = true;
  waiting.callback(reply_of(op_of(waiting.operation.op), completion));
  in_callback_ = false;
}

void Client::Impl::get_alone(std::string_view key, std::size_t index, Batch& batch) {
  SessionRequest request;
  request.op = DatagramOp::kGet;
  request.key = key;
  auto started = begin_when_room(request, [&batch, index](Completion& completion) {
    auto reply = reply_of(DatagramOp::kGet, completion);
    if (reply) {
      batch.out[index] = std::move(reply->value);
    } else {
      batch.out[index] = std::unexpected(reply.error());
    }
    --batch.left;
  });
  if (started) return;
  batch.out[index] = std::unexpected(started.error());
  --batch.left;
}

void Client::Impl::get_group(std::span<const std::string> keys, std::size_t first,
                             std::string& packed, Batch& batch) {
  packed.clear();
  for (const std::string& key : keys) {
    packed += static_cast<char>(key.size());
    packed += key;
  }
  SessionRequest request;
  request.op = DatagramOp::kMultiGet;
  request.value = packed;
  const std::size_t count = keys.size();
  const auto done = [&batch, first, count](Completion& completion) {
    batch.left -= count;
    std::string_view entries = completion.value();
    for (std::size_t i = 0; i < count; ++i) {
      if (completion.status != ClientStatus::kOk) {
        batch.out[first + i] = std::unexpected(error_of(completion));
      }
    }
    if (completion.status != ClientStatus::kOk) return;
    while (const auto entry = take_entry(entries)) {
      const std::size_t at = first + entry->index;
      if (entry->status == DatagramStatus::kOk) {
        batch.out[at] = Value{std::string(entry->value), entry->flags, entry->cas};
      } else if (entry->status == DatagramStatus::kTooLarge) {
        batch.large.push_back(at);
      }
    }
  };
  auto started = begin_when_room(request, done);
  if (started) return;
  for (std::size_t i = 0; i < count; ++i) batch.out[first + i] = std::unexpected(started.error());
  batch.left -= count;
}

Client::Impl::Values Client::Impl::get_many(std::span<const std::string> keys) {
  Batch batch{.out = Values(keys.size(), std::optional<Value>()), .left = keys.size(), .large = {}};
  std::vector<std::unique_ptr<std::string>> packed;
  std::size_t first = 0;
  while (first < keys.size()) {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (backend_->has_multi_get() && count < kGroupKeysMax && first + count < keys.size() &&
           !keys[first + count].empty() && keys[first + count].size() <= kKeyBytesMax &&
           bytes + keys[first + count].size() < kGroupBytesMax) {
      bytes += 1 + keys[first + count++].size();
    }
    if (count > 1) {
      packed.push_back(std::make_unique<std::string>());
      get_group(keys.subspan(first, count), first, *packed.back(), batch);
      first += count;
    } else {
      get_alone(keys[first], first, batch);
      ++first;
    }
  }
  while (batch.left > 0) poll(std::chrono::seconds(1));
  batch.left = batch.large.size();
  for (const std::size_t at : batch.large) get_alone(keys[at], at, batch);
  while (batch.left > 0) poll(std::chrono::seconds(1));
  return std::move(batch.out);
}

}  // namespace minos
