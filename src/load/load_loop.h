#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "client/datagram_session.h"
#include "load/protocol.h"
#include "load/request_stream.h"

namespace minos {

// Time on the clock that a load is measured with.
Nanos monotonic_now();

// A request that is over.
struct FinishedRequest {
  LoadRequest request;
  ReplyStatus status = ReplyStatus::kHit;
  Nanos scheduled{0};
  Nanos sent{0};  // when its first bytes were handed to the kernel, as far as the loop notes that
};

// The connections of one load thread, whatever they are made of: requests go in, and each comes out
// again once its reply is here or will not come. Decides nothing. One thread at a time.
class LoadLoop {
 public:
  struct Arrived {
    FinishedRequest done;
    std::uint32_t connection;
    Nanos at;
    Nanos kernel_at{0};  // when the kernel had the bytes that finished it, where that is measured
  };

  virtual ~LoadLoop() = default;

  virtual std::uint32_t connections() const = 0;
  virtual std::uint64_t outstanding() const = 0;
  virtual std::uint64_t outstanding_on(std::uint32_t connection) const = 0;

  // May one more be pushed? And is there so little on its way that a preload should go on?
  virtual bool has_room(std::uint32_t connection) const = 0;
  virtual bool preload_room(std::uint32_t connection) const = 0;

  // Queues a request where there is room for it; flush() sends it.
  virtual void push(std::uint32_t connection, const LoadRequest& request, Nanos scheduled,
                    Nanos now) = 0;
  virtual void flush() = 0;

  // Waits up to `wait` for replies (zero: only looks) and appends them.
  virtual void poll(Nanos wait, std::vector<Arrived>& out) = 0;

  // Fails the loop if the server has been silent for too long.
  virtual void check_silence(Nanos now) = 0;

  // Why the loop stopped working; empty while it works.
  virtual const std::string& failure() const = 0;
  // The first error reply on any connection, empty when there was none.
  virtual std::string first_refusal() const = 0;

  virtual std::uint64_t bytes_in() const = 0;
  virtual std::uint64_t bytes_out() const = 0;
  // Of all connections together; nothing over TCP, where the kernel keeps such things to itself.
  virtual std::optional<SessionCounters> datagrams() const { return {}; }
};

}  // namespace minos
