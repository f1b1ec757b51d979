#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <expected>
#include <string>
#include <vector>

#include "base/units.h"
#include "client/address.h"
#include "load/session.h"

namespace minos {

// Time on the clock that a load is measured with.
Nanos monotonic_now();

// The sockets of one load thread: carries bytes between kernel and Sessions, and decides nothing.
// One receive per readable connection takes all that is there, one send per connection all that is
// due.
class ClientLoop {
 public:
  struct Arrived {
    FinishedRequest done;
    std::uint32_t connection;
    Nanos at;
    Nanos kernel_at;  // when the kernel had the bytes that finished it; with kernel_times only
  };
  struct Options {
    bool verify = false;
    bool kernel_times = false;  // fill FinishedRequest::sent and Arrived::kernel_at
    Nanos timeout{0};  // bounds a connection attempt, and a server's silence while a reply is due
  };

  // `keys` outlives the loop.
  ClientLoop(const LoadProtocol& protocol, const KeySpace& keys, const Options& options);
  ~ClientLoop();
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  std::expected<void, std::string> connect(const Address& address, std::uint32_t count);

  std::uint32_t connections() const { return static_cast<std::uint32_t>(connections_.size()); }
  Session& session(std::uint32_t connection) { return connections_[connection].session; }

  // Queues a request; flush() sends it.
  void push(std::uint32_t connection, const LoadRequest& request, Nanos scheduled, Nanos now);
  void flush();

  // Waits up to `wait` for replies (zero: only looks) and appends them.
  void poll(Nanos wait, std::vector<Arrived>& out);

  // Fails the loop if a server has been silent for too long.
  void check_silence(Nanos now);

  // Why the loop stopped working; empty while it works.
  const std::string& failure() const { return failure_; }

  std::uint64_t outstanding() const { return outstanding_; }
  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }
  // The first error reply on any connection, empty when there was none.
  std::string first_refusal() const;

 private:
  struct Connection {
    int fd;
    Session session;
    Nanos heard{0};  // the later of the last bytes received and the oldest request's sending
    bool to_flush = false;
    bool blocked = false;  // the kernel's send buffer is full: waits for EPOLLOUT
  };

  void send(std::uint32_t index);
  void receive(std::uint32_t index, std::vector<Arrived>& out);
  ssize_t receive_bytes(int fd, std::size_t bytes_max, Nanos& kernel_at);
  void watch(std::uint32_t index, bool writable);
  void fail(std::uint32_t index, std::string_view cause);

  const LoadProtocol& protocol_;
  const KeySpace& keys_;
  Options options_;
  int epoll_ = -1;
  std::string server_;
  std::deque<Connection> connections_;
  std::vector<std::uint32_t> to_flush_;
  std::vector<char> buffer_;
  std::vector<FinishedRequest> finished_;
  std::uint64_t outstanding_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::string failure_;
};

}  // namespace minos
