#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transport/fd.h"
#include "transport/udp/udp_queues.h"

namespace minos {

// RX queues of a loopback address on ports that are free.
inline std::unique_ptr<UdpQueues> open_queues(std::uint16_t queues, bool single_port = false,
                                              const std::string& host = "127.0.0.1",
                                              std::uint16_t* base_port = nullptr) {
  UdpQueues::Options options;
  options.queues = queues;
  options.single_port = single_port;
  static int tries = 0;
  for (int i = 0; i < 100; ++i) {
    // Below the ports that the kernel gives to clients.
    options.base_port =
        static_cast<std::uint16_t>(10000 + (::getpid() * 64 + tries++ * 16) % 20000);
    auto opened = UdpQueues::open(host, options);
    if (!opened) continue;
    if (base_port != nullptr) *base_port = options.base_port;
    return std::move(opened->front());
  }
  ADD_FAILURE() << "no free ports";
  return nullptr;
}

// A client's socket, connected to one queue; it blocks for up to five seconds.
class UdpClient {
 public:
  explicit UdpClient(int to_socket) {
    sockaddr_storage to{};
    socklen_t size = sizeof to;
    EXPECT_EQ(::getsockname(to_socket, reinterpret_cast<sockaddr*>(&to), &size), 0);
    fd_ = Fd(::socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::connect(fd_.get(), reinterpret_cast<sockaddr*>(&to), size), 0);
    const timeval patience{5, 0};
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const int large = 4 << 20;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &large, sizeof large);
  }

  int fd() const { return fd_.get(); }
  std::uint16_t port() const {
    sockaddr_in6 at{};  // the port is where a sockaddr_in has it
    socklen_t size = sizeof at;
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&at), &size);
    return ntohs(at.sin6_port);
  }

  void send(std::string_view bytes) {
    EXPECT_EQ(::send(fd_.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
  }
  // As one train: datagrams of `segment` bytes, the last one of what is left.
  void send_train(std::string_view bytes, int segment) {
    set(UDP_SEGMENT, segment);
    send(bytes);
    set(UDP_SEGMENT, 0);
  }
  void set(int option, int value) {
    EXPECT_EQ(::setsockopt(fd_.get(), SOL_UDP, option, &value, sizeof value), 0);
  }

  // What one call returns; nullopt when nothing comes. With UDP_GRO this may be a whole train.
  std::optional<std::string> receive() {
    std::string bytes(1 << 16, 0);
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    if (got < 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }
  bool is_silent() const {
    pollfd wanted{fd_.get(), POLLIN, 0};
    return ::poll(&wanted, 1, 0) == 0;
  }

 private:
  Fd fd_;
};

}  // namespace minos
