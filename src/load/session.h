#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "load/key_space.h"
#include "load/load_loop.h"
#include "load/output_buffer.h"
#include "load/protocol.h"

namespace minos {

// One connection without its socket: requests go in, bytes to send come out; received bytes go in,
// finished requests come out, in the order of the requests. Any number may be outstanding.
class Session {
 public:
  // `keys` gives values to send and, where `verify`, those to compare with; it outlives the
  // session.
  Session(const LoadProtocol& protocol, const KeySpace& keys, bool verify)
      : protocol_(&protocol), keys_(&keys), verify_(verify) {}

  void push(const LoadRequest& request, Nanos scheduled);
  // The requests pushed since the last call are handed to the kernel at `now`.
  void note_sending(Nanos now);
  std::size_t outstanding() const { return requests_.size() - first_; }
  OutputBuffer& output() { return output_; }
  const OutputBuffer& output() const { return output_; }

  // Appends to `out` the requests that `bytes` finish. False when they cannot be the replies that
  // were asked for: failure() says why, and the session is of no use any more.
  bool receive(std::string_view bytes, std::vector<FinishedRequest>& out);
  const std::string& failure() const { return failure_; }

  // So many of the next bytes belong to a value that nobody will look at: whoever can drop them
  // unseen reports that with dropped() instead of receive().
  std::uint64_t droppable_bytes() const {
    return state_ == State::kBody && !verify_ ? body_left_ : 0;
  }
  void dropped(std::uint64_t bytes);
  // The next bytes begin the reply to a request whose value is this long, 0 if it is to be looked
  // at or there is none.
  std::uint64_t droppable_due() const;

  // The first error reply, empty when there was none.
  const std::string& first_refusal() const { return first_refusal_; }

 private:
  enum class State : std::uint8_t { kLine, kBody, kTrailer };
  struct Outstanding {
    LoadRequest request;
    Nanos scheduled;
    Nanos sent{0};
  };

  bool take_line(std::string_view& bytes, std::vector<FinishedRequest>& out);
  bool start_reply(std::string_view line, std::vector<FinishedRequest>& out);
  void take_body(std::string_view& bytes);
  bool take_trailer(std::string_view& bytes, std::vector<FinishedRequest>& out);
  void finish(ReplyStatus status, std::vector<FinishedRequest>& out);
  bool fail(std::string_view what, std::string_view line);

  const LoadProtocol* protocol_;
  const KeySpace* keys_;
  bool verify_;
  State state_ = State::kLine;
  ReplyStatus status_ = ReplyStatus::kHit;  // of the reply whose body is being received
  std::uint64_t body_left_ = 0;
  std::size_t trailer_seen_ = 0;
  std::string partial_line_;
  std::vector<Outstanding> requests_;
  std::size_t first_ = 0;
  std::size_t unsent_ = 0;  // requests at the end that note_sending() was not told of
  OutputBuffer output_;
  std::string failure_;
  std::string first_refusal_;
};

}  // namespace minos
