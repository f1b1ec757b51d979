#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/units.h"
#include "transport/plane.h"
#include "transport/poller.h"
#include "transport/tcp/tcp_transport.h"
#include "wire/stream.h"

namespace minos {

// Streams that may become ready while datagrams keep coming are looked for at least this often, by
// rounds or by time, whichever comes first.
inline constexpr std::uint32_t kRoundsBetweenPolls = 16;
inline constexpr Nanos kTimeBetweenPolls = micros(100);

// All of one worker's ways in and out: streams, and the datagram planes in their order. A round is
//
//   rx.clear();
//   if (network.take_datagrams(plan, rx)) plan.block = 0;
//   network.receive(plan, rx);
//   … the step …
//   network.send(tx);
//
// so that whoever needs a word before the worker sleeps, as the store does, gets it between the
// first two calls, and only when there is nothing to do. Used by one thread, except for wake().
class Network {
 public:
  static std::expected<std::unique_ptr<Network>, std::string> create(std::vector<Plane> planes);

  // False when a plane has to be polled: receive() never blocks then.
  bool can_sleep() const { return can_sleep_; }

  // What waits in the planes, without blocking. False when nothing does.
  bool take_datagrams(const RxPlan& plan, Rx& rx);
  // Waits as the plan says, unless datagrams are there, and takes what comes. `rx.arrived` is left
  // to the caller: the one that it still says is of the round before.
  void receive(const RxPlan& plan, Rx& rx);
  void send(Tx& tx);

  // Ends a receive() that blocks, now or the next one. Any thread.
  void wake() { poller_->wake(); }

 private:
  Network(std::unique_ptr<Poller> poller, std::vector<Plane> planes);

  static void take_from(const Plane& plane, std::span<const RxQueueQuota> queues, Rx& rx);
  Nanos prepare_sleep(const RxPlan& plan, Nanos block);
  bool may_skip_poll(const Rx& rx);

  std::unique_ptr<Poller> poller_;
  TcpTransport streams_;
  std::vector<Plane> planes_;
  bool can_sleep_ = true;
  std::uint32_t rounds_since_poll_ = 0;
  Nanos polled_{0};
};

}  // namespace minos
