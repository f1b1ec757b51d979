#pragma once

#include <cstdint>
#include <expected>
#include <vector>

#include "base/units.h"
#include "client/datagram_session.h"
#include "client/status.h"

namespace minos {

// One way to execute requests on a server. One owner thread.
class Backend {
 public:
  virtual ~Backend() = default;

  // The views must stay readable until the completion. An error: nothing was sent.
  virtual std::expected<void, ClientError> start(const SessionRequest& request) = 0;

  // Sends, receives and appends what is complete, waiting up to `timeout` if nothing is. Views of
  // the completions stay readable until the next call.
  virtual void poll(Nanos timeout, std::vector<Completion>& done) = 0;

  virtual std::uint32_t outstanding() const = 0;
  virtual bool has_multi_get() const = 0;
};

// The monotonic clock of backends.
inline Nanos backend_now() {
  return std::chrono::duration_cast<Nanos>(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace minos
