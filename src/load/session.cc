#include "load/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace minos {
namespace {

constexpr std::size_t kReplyLineBytesMax = 1024;
constexpr std::size_t kCompactRequests = 1024;
constexpr std::size_t kQuotedBytesMax = 100;

}  // namespace

void Session::push(const LoadRequest& request, Nanos scheduled) {
  const KeySpace::Key key = keys_->key(request.key);
  if (request.op == LoadOp::kGet) {
    protocol_->encode_get(key, output_);
  } else {
    protocol_->encode_set(key, keys_->value(request.key, request.value_bytes), output_);
  }
  requests_.push_back({request, scheduled});
  ++unsent_;
}

void Session::note_sending(Nanos now) {
  for (; unsent_ > 0; --unsent_) requests_[requests_.size() - unsent_].sent = now;
}

bool Session::receive(std::string_view bytes, std::vector<FinishedRequest>& out) {
  while (!bytes.empty()) {
    switch (state_) {
      case State::kLine:
        if (!take_line(bytes, out)) return false;
        break;
      case State::kBody:
        take_body(bytes);
        break;
      case State::kTrailer:
        if (!take_trailer(bytes, out)) return false;
        break;
    }
  }
  return true;
}

bool Session::take_line(std::string_view& bytes, std::vector<FinishedRequest>& out) {
  const std::size_t newline = bytes.find('\n');
  if (newline == bytes.npos || !partial_line_.empty()) {
    const std::size_t taken = std::min(newline, bytes.size() - 1) + 1;
    if (partial_line_.size() + taken > kReplyLineBytesMax) {
      return fail("sent a line without end", bytes);
    }
    partial_line_ += bytes.substr(0, taken);
    bytes.remove_prefix(taken);
    if (newline == bytes.npos) return true;
    std::string line;
    line.swap(partial_line_);
    return start_reply(line, out);
  }
  const std::string_view line = bytes.substr(0, newline + 1);
  bytes.remove_prefix(line.size());
  return start_reply(line, out);
}

bool Session::start_reply(std::string_view line, std::vector<FinishedRequest>& out) {
  if (!line.ends_with("\r\n")) return fail("ended a line without \\r\\n", line);
  line.remove_suffix(2);
  if (outstanding() == 0) return fail("sent unasked", line);
  const LoadRequest& request = requests_[first_].request;
  const ReplyLine reply = protocol_->parse_line(line, request.op);
  switch (reply.kind) {
    case ReplyLine::Kind::kBroken:
      return fail(request.op == LoadOp::kGet ? "answered a GET with" : "answered a SET with", line);
    case ReplyLine::Kind::kComplete:
      if (reply.status == ReplyStatus::kRefused && first_refusal_.empty()) {
        first_refusal_ = line.substr(0, kQuotedBytesMax);
      }
      finish(reply.status, out);
      return true;
    case ReplyLine::Kind::kBody:
      status_ =
          reply.body_bytes == request.value_bytes ? ReplyStatus::kHit : ReplyStatus::kWrongSize;
      body_left_ = reply.body_bytes;
      trailer_seen_ = 0;
      state_ = body_left_ > 0 ? State::kBody : State::kTrailer;
      return true;
  }
  return false;
}

void Session::take_body(std::string_view& bytes) {
  const std::size_t taken = std::min<std::uint64_t>(bytes.size(), body_left_);
  if (verify_ && status_ == ReplyStatus::kHit) {
    const LoadRequest& request = requests_[first_].request;
    const std::string_view value = keys_->value(request.key, request.value_bytes);
    const char* const wanted = value.data() + (request.value_bytes - body_left_);
    if (std::memcmp(bytes.data(), wanted, taken) != 0) status_ = ReplyStatus::kWrongContent;
  }
  bytes.remove_prefix(taken);
  dropped(taken);
}

void Session::dropped(std::uint64_t bytes) {
  DCHECK(state_ == State::kBody && bytes <= body_left_);
  body_left_ -= bytes;
  if (body_left_ == 0) state_ = State::kTrailer;
}

std::uint64_t Session::droppable_due() const {
  if (verify_ || state_ != State::kLine || outstanding() == 0) return 0;
  const LoadRequest& request = requests_[first_].request;
  return request.op == LoadOp::kGet ? request.value_bytes : 0;
}

bool Session::take_trailer(std::string_view& bytes, std::vector<FinishedRequest>& out) {
  const std::string_view wanted = protocol_->trailer().substr(trailer_seen_);
  const std::size_t taken = std::min(bytes.size(), wanted.size());
  if (bytes.substr(0, taken) != wanted.substr(0, taken)) {
    return fail("ended a value with", bytes.substr(0, taken));
  }
  bytes.remove_prefix(taken);
  trailer_seen_ += taken;
  if (taken < wanted.size()) return true;
  state_ = State::kLine;
  finish(status_, out);
  return true;
}

void Session::finish(ReplyStatus status, std::vector<FinishedRequest>& out) {
  const Outstanding& done = requests_[first_];
  out.push_back(
      {.request = done.request, .status = status, .scheduled = done.scheduled, .sent = done.sent});
  ++first_;
  if (first_ == requests_.size()) {
    requests_.clear();
    first_ = 0;
  } else if (first_ >= kCompactRequests && first_ >= requests_.size() / 2) {
    requests_.erase(requests_.begin(), requests_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
}

bool Session::fail(std::string_view what, std::string_view line) {
  failure_ = fmt::format("the server {}: '", what);
  for (const char c : line.substr(0, kQuotedBytesMax)) {
    const bool printable = c >= ' ' && c <= '~';
    failure_ +=
        printable ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  failure_ += '\'';
  return false;
}

}  // namespace minos
