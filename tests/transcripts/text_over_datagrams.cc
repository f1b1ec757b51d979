#include "transcripts/text_over_datagrams.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "base/check.h"
#include "wire/exptime.h"
#include "wire/memcache_reply.h"

namespace minos {
namespace {

// Datagrams know no negative time: a Unix time long past says the same.
std::uint32_t expiry_of(std::int64_t exptime) {
  constexpr std::int64_t kMax = std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(exptime < 0 ? kRelativeExptimeMax + 1
                                                : std::min(exptime, kMax));
}

bool wants_cas(TextOp op) {
  return op == TextOp::kGets || op == TextOp::kGats;
}

bool touches(TextOp op) {
  return op == TextOp::kGat || op == TextOp::kGats;
}

SessionRequest request_for(DatagramOp op, std::string_view key = {}, std::string_view value = {}) {
  SessionRequest out;
  out.op = op;
  out.key = key;
  out.value = value;
  return out;
}

DatagramOp store_op(TextOp op) {
  switch (op) {
    case TextOp::kAdd:
      return DatagramOp::kAdd;
    case TextOp::kReplace:
      return DatagramOp::kReplace;
    case TextOp::kAppend:
      return DatagramOp::kAppend;
    case TextOp::kPrepend:
      return DatagramOp::kPrepend;
    case TextOp::kCas:
      return DatagramOp::kCas;
    default:
      return DatagramOp::kSet;
  }
}

}  // namespace

void TextOverDatagrams::send(std::string_view bytes) {
  if (closed_) return;
  input_ += bytes;
  while (!closed_ && step()) {
  }
}

std::string TextOverDatagrams::receive(std::size_t bytes_max) {
  std::string taken = output_.substr(0, bytes_max);
  output_.erase(0, taken.size());
  return taken;
}

void TextOverDatagrams::reconnect() {
  parser_ = TextParser(kItemBytesMax);
  input_.clear();
  output_.clear();
  keys_.clear();
  swallow_bytes_ = 0;
  closed_ = false;
}

bool TextOverDatagrams::step() {
  if (swallow_bytes_ > 0) {
    const std::uint64_t bytes = std::min<std::uint64_t>(swallow_bytes_, input_.size());
    input_.erase(0, bytes);
    swallow_bytes_ -= bytes;
    return swallow_bytes_ == 0;
  }
  if (input_.empty()) return false;
  const TextParse parse = parser_.parse(input_);
  if (parse.kind == TextParse::Kind::kNeedMore) return false;
  if (parse.kind == TextParse::Kind::kCommand) return execute(parse);
  refuse(parse);
  input_.erase(0, parse.consumed);
  return true;
}

void TextOverDatagrams::refuse(const TextParse& parse) {
  if (!keys_.empty()) retrieve_collected();
  const TextError& error = parse.error;
  // END to a retrieval of no keys is an answer, not a refusal.
  if ((!error.reply.empty() && error.reply != text_reply::kEnd) || error.close) ++refused_;
  print(error.reply);
  swallow_bytes_ = error.swallow_bytes;
  closed_ = error.close;
}

bool TextOverDatagrams::execute(const TextParse& parse) {
  const TextCommand& command = parse.command;
  switch (command.op) {
    case TextOp::kSet:
    case TextOp::kAdd:
    case TextOp::kReplace:
    case TextOp::kAppend:
    case TextOp::kPrepend:
    case TextOp::kCas:
      return store(parse);
    case TextOp::kGet:
    case TextOp::kGets:
    case TextOp::kGat:
    case TextOp::kGats:
      retrieve(command);
      break;
    case TextOp::kDelete:
    case TextOp::kIncr:
    case TextOp::kDecr:
    case TextOp::kTouch:
    case TextOp::kFlushAll:
      change(command);
      break;
    case TextOp::kStats:
      show_stats(command);
      break;
    case TextOp::kVersion:
    case TextOp::kVerbosity:
    case TextOp::kQuit:
    case TextOp::kShutdown:
      answer_here(command);
      break;
  }
  input_.erase(0, parse.consumed);
  return true;
}

void TextOverDatagrams::answer_here(const TextCommand& command) {
  ++foreign_;
  if (command.op == TextOp::kQuit) closed_ = true;
  if (command.op == TextOp::kVersion) print("VERSION none\r\n");
  if (command.op == TextOp::kVerbosity && !command.noreply) print(text_reply::kOk);
}

void TextOverDatagrams::retrieve(const TextCommand& command) {
  keys_.emplace_back(command.key);
  retrieval_ = command;
  if (!command.last_key) return;
  retrieve_collected();
  print(text_reply::kEnd);
}

// A key alone is a get, several are multi-gets, as many as their datagrams take.
void TextOverDatagrams::retrieve_collected() {
  if (keys_.size() == 1 || touches(retrieval_.op)) {
    for (const std::string& key : keys_) get_alone(key);
  } else {
    constexpr std::size_t kBytesMax = kDatagramBytesMax - kDatagramHeaderBytes;
    std::size_t first = 0;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const std::size_t more = 1 + keys_[i].size();
      if (i - first == kMultiGetKeysMax || bytes + more > kBytesMax) {
        get_many(first, i);
        first = i;
        bytes = 0;
      }
      bytes += more;
    }
    get_many(first, keys_.size());
  }
  keys_.clear();
}

void TextOverDatagrams::get_alone(std::string_view key) {
  const bool touch = touches(retrieval_.op);
  SessionRequest request = request_for(touch ? DatagramOp::kGat : DatagramOp::kGet, key);
  request.expiry = touch ? expiry_of(retrieval_.exptime) : 0;
  const Completion done = call(request);
  if (done.status == ClientStatus::kOk) return print_value(key, done);
  if (done.status != ClientStatus::kNotFound) print_status(done.status);
}

void TextOverDatagrams::get_many(std::size_t first, std::size_t end) {
  std::string payload;
  for (std::size_t i = first; i < end; ++i) {
    payload += static_cast<char>(keys_[i].size());
    payload += keys_[i];
  }
  const Completion done = call(request_for(DatagramOp::kMultiGet, {}, payload));
  if (done.status != ClientStatus::kOk) return print_status(done.status);
  std::vector<std::optional<MultiGetEntry>> entries(end - first);
  std::string_view left = done.value();
  while (const auto entry = take_entry(left)) entries.at(entry->index) = *entry;
  for (std::size_t i = first; i < end; ++i) {
    const auto& entry = entries[i - first];
    if (!entry) {
      print("SERVER_ERROR an entry is missing\r\n");
    } else if (entry->status == DatagramStatus::kTooLarge) {
      get_alone(keys_[i]);
    } else if (entry->status == DatagramStatus::kOk) {
      Completion one{.flags = entry->flags, .number = entry->cas, .small = entry->value};
      print_value(keys_[i], one);
    }
  }
}

void TextOverDatagrams::print_value(std::string_view key, const Completion& done) {
  std::array<char, kValueHeaderBytesMax> head;
  const auto cas = wants_cas(retrieval_.op) ? std::optional(done.number) : std::nullopt;
  const std::string_view value = done.value();
  print({head.data(), write_value_header(head.data(), key, done.flags, value.size(), cas)});
  print(value);
  print(text_reply::kLineEnd);
}

bool TextOverDatagrams::store(const TextParse& parse) {
  const TextCommand& command = parse.command;
  const std::uint64_t bytes = parse.consumed + command.value_bytes + 2;
  if (input_.size() < bytes) return false;
  const std::string_view body = std::string_view(input_).substr(parse.consumed);
  const bool ends = body.substr(command.value_bytes).starts_with("\r\n");
  // Of a value too large nobody looks at the end.
  if (!ends && command.value_bytes <= item_bytes_max_) {
    ++refused_;
    if (!command.noreply) print(text_reply::kBadDataChunk);
    input_.erase(0, bytes);
    return true;
  }
  SessionRequest request =
      request_for(store_op(command.op), command.key, body.substr(0, command.value_bytes));
  request.flags = command.flags;
  request.expiry = expiry_of(command.exptime);
  request.number = command.cas;
  const Completion done = call(request);
  const bool appends = command.op == TextOp::kAppend || command.op == TextOp::kPrepend;
  if (!command.noreply) {
    if (done.status == ClientStatus::kOk) {
      print(text_reply::kStored);
    } else if (command.op == TextOp::kCas && done.status == ClientStatus::kExists) {
      print(text_reply::kExists);
    } else if (command.op == TextOp::kCas && done.status == ClientStatus::kNotFound) {
      print(text_reply::kNotFound);
    } else if (done.status == ClientStatus::kExists || done.status == ClientStatus::kNotFound) {
      print(command.op == TextOp::kSet ? text_reply::kError : text_reply::kNotStored);
    } else if (done.status == ClientStatus::kTooLarge && appends &&
               command.value_bytes <= item_bytes_max_) {
      print(text_reply::kNotStored);  // what it was to become is too large
    } else {
      print_status(done.status);
    }
  }
  input_.erase(0, bytes);
  return true;
}

void TextOverDatagrams::change(const TextCommand& command) {
  SessionRequest request = request_for(DatagramOp::kDelete, command.key);
  std::string_view done_text = text_reply::kDeleted;
  if (command.op == TextOp::kTouch) {
    request.op = DatagramOp::kTouch;
    request.expiry = expiry_of(command.exptime);
    done_text = text_reply::kTouched;
  } else if (command.op == TextOp::kFlushAll) {
    request.op = DatagramOp::kFlushAll;
    request.expiry = expiry_of(command.exptime);
    done_text = text_reply::kOk;
  } else if (command.op != TextOp::kDelete) {
    request.op = command.op == TextOp::kIncr ? DatagramOp::kIncr : DatagramOp::kDecr;
    request.number = command.delta;
  }
  const Completion done = call(request);
  if (command.noreply) return;
  if (done.status == ClientStatus::kNotFound) return print(text_reply::kNotFound);
  if (done.status == ClientStatus::kNonNumeric) return print(text_reply::kNonNumeric);
  if (done.status != ClientStatus::kOk) return print_status(done.status);
  const bool counts = request.op == DatagramOp::kIncr || request.op == DatagramOp::kDecr;
  print(counts ? std::to_string(done.number) + "\r\n" : std::string(done_text));
}

void TextOverDatagrams::show_stats(const TextCommand& command) {
  const Completion done = call(request_for(DatagramOp::kStats, {}, command.argument));
  // A datagram does not say more of an argument than that it is none.
  if (done.status == ClientStatus::kMalformed) return print(text_reply::kError);
  if (done.status != ClientStatus::kOk) return print_status(done.status);
  print(done.value());
}

void TextOverDatagrams::print_status(ClientStatus status) {
  if (status == ClientStatus::kTooLarge) return print(text_reply::kTooLarge);
  if (status == ClientStatus::kOutOfMemory) return print(text_reply::kOutOfMemory);
  print("SERVER_ERROR ");
  print(status_text(status));
  print("\r\n");
}

Completion TextOverDatagrams::call(const SessionRequest& request) {
  Completion out;
  if (const auto taken = session_.submit(request, clock_.now()); !taken) {
    out.status = taken.error();
    return out;
  }
  ++requests_;
  std::array<OutDatagram, 64> datagrams;
  std::vector<InDatagram> received;
  for (;;) {
    while (channel_.room() >= datagrams.size()) {
      const std::size_t taken = session_.take_datagrams(datagrams, clock_.now());
      if (taken == 0) break;
      channel_.send(std::span(datagrams).first(taken));
    }
    received.clear();
    channel_.receive(received);
    for (const InDatagram& datagram : received) session_.receive(datagram, clock_.now());
    session_.advance(clock_.now());
    if (!session_.completions().empty()) break;
    if (received.empty()) channel_.wait(std::max(session_.next_timer() - clock_.now(), Nanos(1)));
  }
  CHECK(session_.completions().size() == 1);
  out = std::move(session_.completions().front());
  session_.completions().clear();
  if (out.large.empty()) out.large = std::string(out.small);
  out.small = {};
  return out;
}

}  // namespace minos
