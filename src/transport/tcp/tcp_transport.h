#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <span>
#include <vector>

#include "transport/poller.h"
#include "wire/ready_list.h"
#include "wire/stream.h"

namespace minos {

// Stream sockets of one worker. A stream is registered with the poller once, edge-triggered, when
// it is attached; its readiness is remembered in its route until a read or a write uses it up. One
// read takes all that a stream has room for, one write sends all that it has ready. Used by the
// poller's thread.
class TcpTransport {
 public:
  // The poller outlives it, and has no other descriptors with a tag.
  explicit TcpTransport(Poller& poller) : poller_(poller) {}

  // Is there something to receive that no event will tell of again?
  bool has_ready(const RxPlan& plan) const {
    return (!ready_.empty() && plan.streams_max != 0) || !broken_.empty();
  }

  // Reads what the plan says, after `events` of the poller.
  void receive(const RxPlan& plan, std::span<const epoll_event> events, Rx& rx);
  void send(Tx& tx);

 private:
  void note(const epoll_event& event, Rx& rx);
  void read(Stream& stream, std::uint64_t bytes_max, Rx& rx);
  void flush(Stream& stream, std::uint64_t bytes_max, bool more);
  void attach(Stream& stream);
  void detach(Stream& stream, bool close);

  Poller& poller_;
  ReadyList ready_;
  std::vector<Stream*> broken_;  // failed while sending, to be reported by the next receive()
};

}  // namespace minos
