#include "client/memcached_session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "base/limits.h"
#include "client/key.h"

namespace minos {
namespace {

constexpr std::size_t kOutputBytesMax = kMiB;  // and one more request
constexpr std::size_t kReplyLineBytesMax = 64 * 1024;
constexpr std::size_t kStatsBytesMax = 16 * kMiB;

// The next word of `line`, which it is removed from; words are separated by one space.
std::string_view take_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

template <typename T>
bool parse_number(std::string_view word, T& out) {
  const char* const end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data(), end, out);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

std::string_view store_name(DatagramOp op) {
  switch (op) {
    case DatagramOp::kAdd:
      return "add";
    case DatagramOp::kReplace:
      return "replace";
    case DatagramOp::kCas:
      return "cas";
    case DatagramOp::kAppend:
      return "append";
    case DatagramOp::kPrepend:
      return "prepend";
    default:
      return "set";
  }
}

void write_store(const SessionRequest& request, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{} {} {} {} {}", store_name(request.op), request.key,
                 request.flags, request.expiry, request.value.size());
  if (request.op == DatagramOp::kCas) {
    fmt::format_to(std::back_inserter(out), " {}", request.number);
  }
  out += "\r\n";
  out += request.value;
  out += "\r\n";
}

void write_command(const SessionRequest& request, std::string& out) {
  auto to = std::back_inserter(out);
  switch (request.op) {
    case DatagramOp::kGet:
      fmt::format_to(to, "gets {}\r\n", request.key);
      break;
    case DatagramOp::kGat:
      fmt::format_to(to, "gats {} {}\r\n", request.expiry, request.key);
      break;
    case DatagramOp::kDelete:
      fmt::format_to(to, "delete {}\r\n", request.key);
      break;
    case DatagramOp::kIncr:
      fmt::format_to(to, "incr {} {}\r\n", request.key, request.number);
      break;
    case DatagramOp::kDecr:
      fmt::format_to(to, "decr {} {}\r\n", request.key, request.number);
      break;
    case DatagramOp::kTouch:
      fmt::format_to(to, "touch {} {}\r\n", request.key, request.expiry);
      break;
    case DatagramOp::kStats:
      fmt::format_to(to, "stats{}{}\r\n", request.value.empty() ? "" : " ", request.value);
      break;
    case DatagramOp::kFlushAll:
      fmt::format_to(to, "flush_all {}\r\n", request.expiry);
      break;
    case DatagramOp::kNoop:
      out += "version\r\n";
      break;
    default:
      write_store(request, out);
  }
}

ClientStatus not_stored(DatagramOp op) {
  return op == DatagramOp::kAdd ? ClientStatus::kExists : ClientStatus::kNotFound;
}

ClientStatus error_of(std::string_view line) {
  if (line.starts_with("SERVER_ERROR out of memory")) return ClientStatus::kOutOfMemory;
  if (line.starts_with("SERVER_ERROR object too large")) return ClientStatus::kTooLarge;
  if (line.starts_with("SERVER_ERROR")) return ClientStatus::kBusy;
  if (line.contains("non-numeric")) return ClientStatus::kNonNumeric;
  return ClientStatus::kMalformed;
}

// What a reply of one line means; nullopt when it means nothing.
std::optional<ClientStatus> status_of(DatagramOp op, std::string_view line) {
  if (line == "NOT_FOUND") return ClientStatus::kNotFound;
  if (line == "NOT_STORED") return not_stored(op);
  if (line == "EXISTS") return ClientStatus::kExists;
  if (line.starts_with("SERVER_ERROR") || line.starts_with("CLIENT_ERROR") || line == "ERROR") {
    return error_of(line);
  }
  const bool fine = line == "STORED" || line == "DELETED" || line == "TOUCHED" || line == "OK" ||
                    line.starts_with("VERSION ");
  return fine ? std::optional(ClientStatus::kOk) : std::nullopt;
}

}  // namespace

std::expected<void, std::string> check_key(std::string_view key) {
  if (auto fits = check_key_length(key); !fits) return fits;
  const auto forbidden = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f'; };
  if (std::ranges::any_of(key, forbidden)) {
    return std::unexpected("the key contains a space or a control character");
  }
  return {};
}

std::expected<void, ClientError> MemcachedSession::submit(const SessionRequest& request,
                                                          Nanos now) {
  const auto refused = [](ClientStatus status, std::string message) {
    return std::unexpected(ClientError{.status = status, .message = std::move(message)});
  };
  if (request.op == DatagramOp::kMultiGet) return refused(ClientStatus::kInvalid, "no multi-get");
  if (has_key(request.op)) {
    if (auto valid = check_key(request.key); !valid) {
      return refused(ClientStatus::kInvalid, valid.error());
    }
  }
  if (request.op == DatagramOp::kStats &&
      request.value.find_first_of("\r\n") != request.value.npos) {
    return refused(ClientStatus::kInvalid, "the argument contains a line end");
  }
  if (request.value.size() > kItemBytesMax) {
    return refused(ClientStatus::kTooLarge, std::string(status_text(ClientStatus::kTooLarge)));
  }
  if (waiting_.size() >= requests_max_ || output().size() > kOutputBytesMax) {
    return refused(ClientStatus::kTooMany, std::string(status_text(ClientStatus::kTooMany)));
  }
  write_command(request, output_);
  const Nanos timeout = request.timeout.count() > 0 ? request.timeout : timeout_;
  waiting_.push_back({request.op, request.tag, now + timeout, {}});
  return {};
}

bool MemcachedSession::is_clogged() const {
  return waiting_.empty() && output().size() > kOutputBytesMax;
}

void MemcachedSession::sent(std::size_t bytes, Nanos now) {
  moved_ = now;
  sent_ += bytes;
  if (sent_ != output_.size()) return;
  output_.clear();
  // The room of one large value is not kept for ever.
  if (output_.capacity() > 2 * kOutputBytesMax) output_.shrink_to_fit();
  sent_ = 0;
}

bool MemcachedSession::receive(std::string_view bytes, Nanos now) {
  moved_ = now;
  input_ += bytes;
  Parsed parsed = Parsed::kDone;
  while (!waiting_.empty() && parsed == Parsed::kDone) parsed = parse_reply();
  input_.erase(0, std::exchange(consumed_, 0));
  return parsed != Parsed::kNonsense && (!waiting_.empty() || input_.empty());
}

void MemcachedSession::fail_all(ClientStatus status, std::string_view why) {
  while (!waiting_.empty()) {
    const DatagramOp op = waiting_.front().op;
    complete(
        Completion{.status = status, .maybe_executed = is_write(op), .large = std::string(why)});
  }
  output_.clear();
  input_.clear();
  sent_ = consumed_ = 0;
}

void MemcachedSession::complete(Completion completion) {
  completion.tag = waiting_.front().tag;
  waiting_.pop_front();
  completions_.push_back(std::move(completion));
}

std::optional<std::string_view> MemcachedSession::peek_line(std::size_t from) const {
  const std::size_t end = input_.find('\n', from);
  if (end == input_.npos) return std::nullopt;
  std::string_view line = std::string_view(input_).substr(from, end - from);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

MemcachedSession::Parsed MemcachedSession::parse_reply() {
  const auto line = peek_line(consumed_);
  if (!line) {
    return input_.size() - consumed_ > kReplyLineBytesMax ? Parsed::kNonsense : Parsed::kNeedMore;
  }
  switch (waiting_.front().op) {
    case DatagramOp::kGet:
    case DatagramOp::kGat:
      return parse_value(*line);
    case DatagramOp::kStats:
      return parse_stats(*line);
    default:
      return parse_line(*line);
  }
}

MemcachedSession::Parsed MemcachedSession::parse_line(std::string_view line) {
  const DatagramOp op = waiting_.front().op;
  Completion done;
  if (const auto status = status_of(op, line)) {
    done.status = *status;
    const bool says_more = line.contains("ERROR");
    if (says_more) done.large = std::string(line);
  } else if ((op != DatagramOp::kIncr && op != DatagramOp::kDecr) ||
             !parse_number(line, done.number)) {
    return Parsed::kNonsense;
  }
  consumed_ = input_.find('\n', consumed_) + 1;
  complete(std::move(done));
  return Parsed::kDone;
}

MemcachedSession::Parsed MemcachedSession::parse_value(std::string_view line) {
  const std::size_t body_at = input_.find('\n', consumed_) + 1;
  if (line == "END") {
    consumed_ = body_at;
    complete(Completion{.status = ClientStatus::kNotFound});
    return Parsed::kDone;
  }
  if (!line.starts_with("VALUE ")) return parse_line(line);
  std::string_view rest = line.substr(6);
  take_word(rest);
  Completion done;
  std::uint64_t bytes = 0;
  if (!parse_number(take_word(rest), done.flags) || !parse_number(take_word(rest), bytes) ||
      !parse_number(take_word(rest), done.number) || bytes > kItemBytesMax) {
    return Parsed::kNonsense;
  }
  constexpr std::string_view kTail = "\r\nEND\r\n";
  if (input_.size() < body_at + bytes + kTail.size()) {
    input_.reserve(body_at + bytes + kTail.size());
    return Parsed::kNeedMore;
  }
  if (input_.compare(body_at + bytes, kTail.size(), kTail) != 0) return Parsed::kNonsense;
  done.large = input_.substr(body_at, bytes);
  consumed_ = body_at + bytes + kTail.size();
  complete(std::move(done));
  return Parsed::kDone;
}

MemcachedSession::Parsed MemcachedSession::parse_stats(std::string_view line) {
  std::string& text = waiting_.front().text;
  if (line == "END" || line == "RESET") {
    consumed_ = input_.find('\n', consumed_) + 1;
    Completion done;
    done.large = std::move(text);
    complete(std::move(done));
    return Parsed::kDone;
  }
  if (!line.starts_with("STAT ")) return parse_line(line);
  text += line;
  text += '\n';
  consumed_ = input_.find('\n', consumed_) + 1;
  return text.size() > kStatsBytesMax ? Parsed::kNonsense : Parsed::kDone;
}

}  // namespace minos
