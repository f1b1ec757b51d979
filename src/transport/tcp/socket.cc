#include "transport/tcp/socket.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace minos {

namespace {

std::string errno_text() {
  return std::strerror(errno);
}

int set_int(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

std::expected<Fd, std::string> listen_at(const addrinfo& at, const std::string& name, int backlog) {
  Fd fd(::socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol));
  if (!fd)
    return std::unexpected(fmt::format("cannot open a socket for {}: {}", name, errno_text()));
  set_int(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (at.ai_family == AF_INET6) set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), at.ai_addr, at.ai_addrlen) != 0 || ::listen(fd.get(), backlog) != 0) {
    return std::unexpected(fmt::format("cannot listen on {}: {}", name, errno_text()));
  }
  return fd;
}

std::string name_of(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return fmt::format("tcp:{}:{}", text, ntohs(in.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    return fmt::format("tcp6:[{}]:{}", text, ntohs(in.sin6_port));
  }
  if (address.ss_family == AF_UNIX) {
    return fmt::format("unix:{}", reinterpret_cast<const sockaddr_un&>(address).sun_path);
  }
  return "unknown";
}

// A socket file that nobody listens on any more.
bool is_stale(const sockaddr_un& address) {
  struct stat status;
  if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

Fd::~Fd() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<std::vector<Fd>, std::string> listen_tcp(const std::string& host, int port,
                                                       int backlog) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const char* node = host.empty() || host == "*" ? nullptr : host.c_str();
  if (const int error = ::getaddrinfo(node, service.c_str(), &hints, &found); error != 0) {
    return std::unexpected(
        fmt::format("cannot resolve listen address '{}': {}", host, ::gai_strerror(error)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> addresses(found, &::freeaddrinfo);
  std::vector<Fd> listeners;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    auto listener = listen_at(*at, fmt::format("{}:{}", host, port), backlog);
    if (!listener) return std::unexpected(listener.error());
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

std::expected<Fd, std::string> listen_unix(const std::string& path, unsigned mode, int backlog) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return std::unexpected(fmt::format("UNIX socket path '{}' is longer than {} bytes", path,
                                       sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  if (is_stale(address)) ::unlink(path.c_str());
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  // The umask, not a later chmod: nobody connects before the mode is right.
  const mode_t old_mask = ::umask(~mode & 0777);
  const int bound = ::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  ::umask(old_mask);
  if (!fd || bound != 0 || ::listen(fd.get(), backlog) != 0) {
    return std::unexpected(
        fmt::format("cannot listen on UNIX socket '{}': {}", path, errno_text()));
  }
  return fd;
}

std::string peer_name(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "unknown";
  return name_of(address);
}

std::string local_name(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "unknown";
  return name_of(address);
}

std::expected<Fd, std::string> accept_stream(int listener) {
  for (;;) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      set_int(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      set_int(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
      return fd;
    }
    switch (errno) {
      case EAGAIN:
        return Fd();
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        return std::unexpected(fmt::format("cannot accept a connection: {}", errno_text()));
      default:
        break;  // the peer's failure, or a signal: try the next one
    }
  }
}

}  // namespace minos
