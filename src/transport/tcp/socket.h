#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct addrinfo;

namespace minos {

// A file descriptor that is closed with its owner.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd();

  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

// Errors are sentences that name the address.
//
// Listens on every address that `host` stands for. Port 0 lets the kernel choose.
std::expected<std::vector<Fd>, std::string> listen_tcp(const std::string& host, int port,
                                                       int backlog);
// The same for a list of addresses, called `name` in errors. Addresses of a kind that this machine
// lacks, such as IPv6 ones where it is off, are passed over as long as another one listens.
std::expected<std::vector<Fd>, std::string> listen_each(const addrinfo* addresses,
                                                        const std::string& name, int backlog);
// Listens on a UNIX socket, replacing a stale one; `mode` is its file mode. Never blocks.
std::expected<Fd, std::string> listen_unix(const std::string& path, unsigned mode, int backlog);

// memcached's way to write an address in `stats conns`: tcp:1.2.3.4:5, tcp6:[::1]:5, unix:/path.
std::string peer_name(int fd);
std::string local_name(int fd);

// Accepts one connection, non-blocking, without Nagle's delay; an empty Fd when none waits.
// Errors: what to say of a failure that lasts, such as descriptors or memory running out; the
// listener may stay readable. Failures of single peers are passed over.
std::expected<Fd, std::string> accept_stream(int listener);

}  // namespace minos
