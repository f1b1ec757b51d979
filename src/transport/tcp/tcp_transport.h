#pragma once

#include <sys/epoll.h>

#include <array>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "transport/tcp/socket.h"
#include "wire/ready_list.h"
#include "wire/stream.h"

namespace minos {

// Stream sockets of one worker over one edge-triggered epoll. A stream is registered once, when it
// is attached; its readiness is remembered in its route until a read or a write uses it up. One
// read takes all that a stream has room for, one write sends all that it has ready. Used by one
// thread, except for wake().
class TcpTransport {
 public:
  static std::expected<std::unique_ptr<TcpTransport>, std::string> create();

  // Waits as the plan says and reads; `rx.arrived` is left to the caller.
  void receive(const RxPlan& plan, Rx& rx);
  void send(Tx& tx);

  // Ends a receive() that blocks, now or the next one. Any thread.
  void wake();

 private:
  TcpTransport(Fd epoll, Fd wake_event);

  void poll(Nanos block, Rx& rx);
  void read(Stream& stream, std::uint64_t bytes_max, Rx& rx);
  void flush(Stream& stream, std::uint64_t bytes_max, bool more);
  void attach(Stream& stream);
  void detach(Stream& stream, bool close);

  static constexpr std::size_t kPollEvents = 256;

  Fd epoll_;
  Fd wake_event_;
  std::array<epoll_event, kPollEvents> polled_;
  ReadyList ready_;
  std::vector<Stream*> broken_;  // failed while sending, to be reported by the next receive()
};

}  // namespace minos
