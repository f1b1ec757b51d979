#include "transport/tcp/socket.h"

#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "transport/address.h"

namespace minos {

namespace {

std::string errno_text() {
  return std::strerror(errno);
}

int set_int(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

// Peers that fail between connecting and being accepted, before it is taken for a failure that
// lasts.
constexpr int kAcceptTriesMax = 16;

// Empty, and errno set, on failure.
Fd listen_at(const addrinfo& at, int backlog) {
  Fd fd(::socket(at.ai_family, at.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at.ai_protocol));
  if (!fd) return fd;
  set_int(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (at.ai_family == AF_INET6) set_int(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.get(), at.ai_addr, at.ai_addrlen) != 0 || ::listen(fd.get(), backlog) != 0) {
    const int error = errno;
    fd = Fd();
    errno = error;
  }
  return fd;
}

// A socket file that nobody listens on any more.
bool is_stale(const sockaddr_un& address) {
  struct stat status;
  if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  // One whose backlog is full is not stale, and would make a blocking connect() wait.
  const Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
         errno == ECONNREFUSED;
}

}  // namespace

std::expected<std::vector<Fd>, std::string> listen_tcp(const std::string& host, int port,
                                                       int backlog) {
  const auto addresses = resolve_listen(host, port, SOCK_STREAM);
  if (!addresses) return std::unexpected(addresses.error());
  return listen_each(addresses->get(), fmt::format("{}:{}", host, port), backlog);
}

std::expected<std::vector<Fd>, std::string> listen_each(const addrinfo* addresses,
                                                        const std::string& name, int backlog) {
  std::vector<Fd> listeners;
  int passed_over = 0;
  for (const addrinfo* at = addresses; at != nullptr; at = at->ai_next) {
    Fd listener = listen_at(*at, backlog);
    if (listener) {
      listeners.push_back(std::move(listener));
    } else if (family_is_off(*at, errno)) {
      passed_over = errno;
    } else {
      return std::unexpected(fmt::format("cannot listen on {}: {}", name, errno_text()));
    }
  }
  if (listeners.empty()) {
    return std::unexpected(
        fmt::format("cannot listen on {}: {}", name, std::strerror(passed_over)));
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
  return name_of(address, "tcp");
}

std::string local_name(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return "unknown";
  return name_of(address, "tcp");
}

std::expected<Fd, std::string> accept_stream(int listener) {
  for (int tries = 0; tries < kAcceptTriesMax; ++tries) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd) {
      set_int(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
      set_int(fd.get(), SOL_SOCKET, SO_KEEPALIVE, 1);
      return fd;
    }
    if (errno == EAGAIN) return Fd();
    const bool exhausted =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (exhausted) break;
  }
  return std::unexpected(fmt::format("cannot accept a connection: {}", errno_text()));
}

}  // namespace minos
