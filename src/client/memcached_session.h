#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "client/datagram_session.h"
#include "client/status.h"

namespace minos {

// Keys are 1 to 250 bytes without spaces and control characters; the error says what is wrong.
std::expected<void, std::string> check_key(std::string_view key);

// Requests in the text protocol of memcached, any number at a time over one connection, without
// the connection: bytes to send come out, received bytes go in. No multi-get. The text protocol
// does not tell the cas of what it stores: there the number of the completion is 0. One owner.
class MemcachedSession {
 public:
  explicit MemcachedSession(std::uint32_t requests_max, Nanos timeout)
      : requests_max_(requests_max), timeout_(timeout) {}

  // Everything is copied. An error: nothing is to be expected of it.
  std::expected<void, ClientError> submit(const SessionRequest& request, Nanos now);

  std::string_view output() const { return std::string_view(output_).substr(sent_); }
  void sent(std::size_t bytes, Nanos now);
  // Much is left to send of requests that were answered without it: a new connection is quicker.
  bool is_clogged() const;

  // False when the bytes make no sense: fail_all(), and hang up.
  bool receive(std::string_view bytes, Nanos now);

  // Nothing more will come. What changes something may have been executed.
  void fail_all(ClientStatus status, std::string_view why);

  // When the oldest request should have its reply, but not while bytes still come or go;
  // Nanos::max() without any.
  Nanos deadline() const {
    return waiting_.empty() ? Nanos::max() : std::max(waiting_.front().deadline, moved_ + timeout_);
  }
  std::uint32_t outstanding() const { return static_cast<std::uint32_t>(waiting_.size()); }
  std::vector<Completion>& completions() { return completions_; }

 private:
  struct Waiting {
    DatagramOp op = DatagramOp::kNoop;
    std::uint64_t tag = 0;
    Nanos deadline{0};
    std::string text;  // of statistics, as far as they have come
  };
  enum class Parsed : std::uint8_t { kNeedMore, kDone, kNonsense };

  Parsed parse_reply();
  Parsed parse_value(std::string_view line);
  Parsed parse_stats(std::string_view line);
  Parsed parse_line(std::string_view line);
  std::optional<std::string_view> peek_line(std::size_t from) const;
  void complete(Completion completion);

  std::uint32_t requests_max_;
  Nanos timeout_;
  Nanos moved_{0};  // when bytes last came or went
  std::string output_;
  std::size_t sent_ = 0;
  std::string input_;
  std::size_t consumed_ = 0;
  std::deque<Waiting> waiting_;
  std::vector<Completion> completions_;
};

}  // namespace minos
