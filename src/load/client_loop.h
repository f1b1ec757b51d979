#pragma once

#include <sys/types.h>

#include <cstdint>
#include <deque>
#include <expected>
#include <string>
#include <vector>

#include "base/units.h"
#include "client/address.h"
#include "load/load_loop.h"
#include "load/session.h"

namespace minos {

// The TCP sockets of one load thread: carries bytes between kernel and Sessions, and decides
// nothing. One receive per readable connection takes all that is there, one send per connection all
// that is due.
class ClientLoop final : public LoadLoop {
 public:
  struct Options {
    bool verify = false;
    bool kernel_times = false;  // fill FinishedRequest::sent and Arrived::kernel_at
    Nanos timeout{0};  // bounds a connection attempt, and a server's silence while a reply is due
  };

  // `keys` outlives the loop.
  ClientLoop(const LoadProtocol& protocol, const KeySpace& keys, const Options& options);
  ~ClientLoop() override;
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  std::expected<void, std::string> connect(const Address& address, std::uint32_t count);

  std::uint32_t connections() const override {
    return static_cast<std::uint32_t>(connections_.size());
  }
  std::uint64_t outstanding() const override { return outstanding_; }
  std::uint64_t outstanding_on(std::uint32_t connection) const override {
    return connections_[connection].session.outstanding();
  }
  bool has_room(std::uint32_t /*connection*/) const override { return true; }
  bool preload_room(std::uint32_t connection) const override;

  void push(std::uint32_t connection, const LoadRequest& request, Nanos scheduled,
            Nanos now) override;
  void flush() override;
  void poll(Nanos wait, std::vector<Arrived>& out) override;
  void check_silence(Nanos now) override;

  const std::string& failure() const override { return failure_; }
  std::string first_refusal() const override;
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }

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
