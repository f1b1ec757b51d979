#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/units.h"
#include "transport/poller.h"
#include "wire/packet.h"

namespace minos {

// What lets a worker sleep while it has a datagram port. Called by the worker's thread.
class Sleeper {
 public:
  virtual ~Sleeper() = default;
  // Before a wait: from now on datagrams in these queues, and in no others of the plane, end waits
  // of `poller`. Returns how long the wait may last, at most `block` (negative: without end); 0
  // while packets or replies lie in the port that no descriptor tells of.
  virtual Nanos prepare_sleep(Poller& poller, std::span<const RxQueueQuota> queues,
                              Nanos block) = 0;
};

// What a plane has counted of one kind since it was opened, by all of its ports together.
struct PlaneCount {
  std::string_view name;  // in lower case, with _; lives for ever
  std::uint64_t count = 0;
};

// One worker's share of a datagram plane.
struct Plane {
  std::unique_ptr<DatagramPort> port;
  // Of the port; null: there is nothing to wait for, so the worker polls and never sleeps.
  Sleeper* sleeper = nullptr;
};

}  // namespace minos
