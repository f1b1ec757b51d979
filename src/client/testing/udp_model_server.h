#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <thread>
#include <vector>

#include "base/check.h"
#include "client/testing/model_server.h"

namespace minos::testing {

// The model server on UDP sockets of loopback, in a thread of its own.
class UdpModelServer {
 public:
  UdpModelServer(const ModelOptions& options, bool single_port)
      : model_(options), single_port_(single_port) {
    while (!bind_all(single_port ? 1 : options.queues)) {
    }
    thread_ = std::thread([this] { serve(); });
  }
  ~UdpModelServer() {
    // Release: pairs with the acquire of serve(), which then touches nothing any more.
    stop_.store(true, std::memory_order_release);
    thread_.join();
    for (const int fd : fds_) ::close(fd);
  }

  std::uint16_t port() const { return port_; }

 private:
  // Consecutive ports, the first of which the kernel chooses; false when one is taken.
  bool bind_all(std::uint32_t ports) {
    for (const int fd : fds_) ::close(fd);
    fds_.clear();
    port_ = 0;
    for (std::uint32_t i = 0; i < ports; ++i) {
      const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      CHECK(fd >= 0);
      fds_.push_back(fd);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(static_cast<std::uint16_t>(i == 0 ? 0 : port_ + i));
      if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) return false;
      socklen_t size = sizeof(address);
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
      if (i == 0) port_ = ntohs(address.sin_port);
    }
    return true;
  }

  void serve() {
    std::vector<pollfd> waiting;
    for (const int fd : fds_) waiting.push_back({fd, POLLIN, 0});
    // Acquire: pairs with the release of the destructor.
    while (!stop_.load(std::memory_order_acquire)) {
      if (::poll(waiting.data(), waiting.size(), 20) <= 0) continue;
      for (std::uint32_t i = 0; i < fds_.size(); ++i) drain(i);
    }
  }

  void drain(std::uint32_t index) {
    std::array<char, 65536> bytes;
    for (int i = 0; i < 64; ++i) {
      sockaddr_in from{};
      socklen_t size = sizeof(from);
      const ssize_t n = ::recvfrom(fds_[index], bytes.data(), bytes.size(), 0,
                                   reinterpret_cast<sockaddr*>(&from), &size);
      if (n < 0) return;
      const std::string_view request(bytes.data(), static_cast<std::size_t>(n));
      const std::uint32_t queue =
          single_port_ && n > 27 ? static_cast<std::uint8_t>(request[27]) : index;
      model_.handle(queue, ntohs(from.sin_port), request, [&](std::string_view reply) {
        // What finds no room is lost, as on any network.
        ::sendto(fds_[index], reply.data(), reply.size(), 0, reinterpret_cast<sockaddr*>(&from),
                 size);
      });
    }
  }

  ModelServer model_;
  bool single_port_;
  std::vector<int> fds_;
  std::uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace minos::testing
