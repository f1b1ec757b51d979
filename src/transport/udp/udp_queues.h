#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/units.h"
#include "transport/fd.h"
#include "transport/udp/udp_locals.h"

struct addrinfo;

namespace minos {

// The RX queues of a kernel UDP plane at one address: a socket each, on consecutive ports, or all
// on one port, where the kernel picks the socket by the queue byte of the datagram's header. Shared
// by the ports of all workers; immutable once it is there, but for the numbers of locals(). Any
// thread.
//
// On "every address" the kernel would choose the source address of replies: that of the interface
// that they leave by, which a client that asked another address of this machine does not expect. So
// there, and only there, it tells with each message which address it came to.
class UdpQueues {
 public:
  struct Options {
    std::uint16_t base_port = 0;  // of queue 0; base_port + queues - 1 <= 65535
    std::uint16_t queues = 1;
    bool single_port = false;
    std::uint32_t buffer_bytes = 4 * kMiB;  // to ask of the kernel for each socket and direction
  };

  // One for each address that `host` stands for; addresses of a kind that this machine lacks are
  // passed over as long as another one is there. Errors are sentences that name address and port.
  static std::expected<std::vector<std::unique_ptr<UdpQueues>>, std::string> open(
      const std::string& host, const Options& options);

  std::uint16_t count() const { return static_cast<std::uint16_t>(sockets_.size()); }
  int socket(QueueId queue) const { return sockets_[queue.value].get(); }
  bool is_ipv6() const { return ipv6_; }

  // Does each message tell the address that it came to?
  bool tells_locals() const { return tells_locals_; }
  UdpLocals& locals() const { return *locals_; }

  // May the kernel be given, and give, many datagrams of one peer as one message?
  bool can_send_trains() const { return can_send_trains_; }
  bool receives_trains() const { return receives_trains_; }

  // The smallest buffers among the sockets, in the unit of Options::buffer_bytes.
  std::uint32_t receive_buffer_bytes() const { return receive_buffer_bytes_; }
  std::uint32_t send_buffer_bytes() const { return send_buffer_bytes_; }

  // Datagrams that the kernel dropped, as a socket's buffer was full or their checksum wrong.
  std::uint64_t dropped() const;

  // "udp:127.0.0.1:11300-11303"
  const std::string& name() const { return name_; }

 private:
  UdpQueues() = default;

  // 0, or the errno; `port` is the last one tried.
  int bind_all(const addrinfo& at, const Options& options, std::uint16_t& port);
  int bind_one(const addrinfo& at, std::uint16_t port, const Options& options);
  int check_unused(const addrinfo& at, std::uint16_t port) const;
  int steer();
  void tell_locals();
  void probe();
  void size_buffers(std::uint32_t wanted);

  std::vector<Fd> sockets_;
  bool ipv6_ = false;
  bool tells_locals_ = false;
  std::unique_ptr<UdpLocals> locals_ = std::make_unique<UdpLocals>();
  bool can_send_trains_ = false;
  bool receives_trains_ = false;
  std::uint32_t receive_buffer_bytes_ = 0;
  std::uint32_t send_buffer_bytes_ = 0;
  std::string name_;
};

}  // namespace minos
