// The kernel's share of a request: a server that does nothing but receive and send. Every line
// received is answered with the same 100-byte value, as memcached would send it for a hit; nothing
// is parsed, looked up or stored. One thread, one epoll, one receive and one send per readiness.
//
//   minos_echo PORT
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

constexpr std::size_t kReceiveBytes = 64 * 1024;

std::string reply_text() {
  return "VALUE 00000000 0 100\r\n" + std::string(100, 'x') + "\r\nEND\r\n";
}

class EchoServer {
 public:
  explicit EchoServer(int listener)
      : listener_(listener), epoll_(::epoll_create1(0)), input_(kReceiveBytes) {
    // As many replies as one receive can ask for with the shortest line.
    for (std::size_t i = 0; i < kReceiveBytes / 8; ++i) replies_ += reply_text();
    watch(listener_, EPOLL_CTL_ADD, EPOLLIN);
  }

  [[noreturn]] void run() {
    std::array<epoll_event, 64> events;
    for (;;) {
      const int ready = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < ready; ++i) {
        const epoll_event& event = events[static_cast<std::size_t>(i)];
        if (event.data.fd == listener_) {
          accept();
        } else if ((event.events & EPOLLOUT) != 0) {
          send(event.data.fd, unsent_[event.data.fd]);
        } else {
          receive(event.data.fd);
        }
      }
    }
  }

 private:
  void watch(int fd, int operation, std::uint32_t events) {
    epoll_event event{.events = events, .data = {.fd = fd}};
    ::epoll_ctl(epoll_, operation, fd, &event);
  }

  void accept() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    watch(fd, EPOLL_CTL_ADD, EPOLLIN);
  }

  void receive(int fd) {
    const ssize_t n = ::recv(fd, input_.data(), input_.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return close(fd);
    const auto lines =
        static_cast<std::size_t>(std::count(input_.begin(), input_.begin() + n, '\n'));
    send(fd, lines * reply_text_.size());
  }

  // While a reply does not fit into the kernel's buffer, the connection is not read.
  void send(int fd, std::size_t bytes) {
    if (bytes == 0) return;
    const std::size_t offset =
        (reply_text_.size() - bytes % reply_text_.size()) % reply_text_.size();
    const std::size_t piece = std::min(bytes, replies_.size() - offset);
    const ssize_t n = ::send(fd, replies_.data() + offset, piece, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) return close(fd);
    const std::size_t left = bytes - static_cast<std::size_t>(std::max<ssize_t>(n, 0));
    const bool was_blocked = unsent_.erase(fd) > 0;
    if (left > 0) unsent_[fd] = left;
    if (was_blocked != (left > 0)) watch(fd, EPOLL_CTL_MOD, left > 0 ? EPOLLOUT : EPOLLIN);
  }

  void close(int fd) {
    unsent_.erase(fd);
    ::close(fd);
  }

  int listener_;
  int epoll_;
  std::vector<char> input_;
  std::string reply_text_ = reply_text();
  std::string replies_;
  std::unordered_map<int, std::size_t> unsent_;
};

}  // namespace

int main(int argc, char** argv) {
  const int port = argc == 2 ? std::atoi(argv[1]) : 0;
  if (port <= 0 || port > 65535) {
    std::fprintf(stderr, "usage: minos_echo PORT\n");
    return 2;
  }
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int one = 1;
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0 ||
      ::listen(listener, 1024) != 0) {
    std::perror("minos_echo");
    return 1;
  }
  EchoServer(listener).run();
}
