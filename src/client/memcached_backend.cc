#include "client/memcached_backend.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <utility>

namespace minos {

std::expected<std::unique_ptr<MemcachedBackend>, ClientError> MemcachedBackend::open(
    const Address& server, std::uint32_t requests_max, Nanos timeout) {
  std::unique_ptr<MemcachedBackend> out(new MemcachedBackend(server, requests_max, timeout));
  if (auto connected = out->connect(); !connected) return std::unexpected(connected.error());
  return out;
}

MemcachedBackend::~MemcachedBackend() {
  if (fd_ >= 0) ::close(fd_);
}

std::expected<void, ClientError> MemcachedBackend::connect() {
  const auto fd = connect_tcp(server_, timeout_);
  if (!fd) {
    return std::unexpected(ClientError{.status = ClientStatus::kConnection, .message = fd.error()});
  }
  fd_ = *fd;
  ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
  return {};
}

std::expected<void, ClientError> MemcachedBackend::start(const SessionRequest& request) {
  if (session_.is_clogged()) hang_up(ClientStatus::kConnection, "");
  if (fd_ < 0) {
    if (auto connected = connect(); !connected) return connected;
  }
  return session_.submit(request, backend_now());
}

bool MemcachedBackend::hang_up(ClientStatus status, std::string_view why) {
  ::close(std::exchange(fd_, -1));
  session_.fail_all(status, why);
  return false;
}

bool MemcachedBackend::send() {
  while (!session_.output().empty()) {
    const std::string_view output = session_.output();
    const ssize_t n = ::send(fd_, output.data(), output.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return true;
    if (n < 0) return hang_up(ClientStatus::kConnection, std::strerror(errno));
    session_.sent(static_cast<std::size_t>(n), backend_now());
  }
  return true;
}

bool MemcachedBackend::receive() {
  const ssize_t n = ::recv(fd_, input_.data(), input_.size(), 0);
  if (n < 0 && (errno == EINTR || errno == EAGAIN)) return true;
  if (n < 0) return hang_up(ClientStatus::kConnection, std::strerror(errno));
  if (n == 0) return hang_up(ClientStatus::kConnection, "the server closed the connection");
  if (!session_.receive({input_.data(), static_cast<std::size_t>(n)}, backend_now())) {
    return hang_up(ClientStatus::kMalformed, "the reply is no memcached text");
  }
  return true;
}

void MemcachedBackend::poll(Nanos timeout, std::vector<Completion>& done) {
  Nanos now = backend_now();
  const Nanos until = timeout > Nanos::max() - now ? Nanos::max() : now + timeout;
  while (fd_ >= 0 && session_.outstanding() > 0) {
    const bool connected = send() && receive();
    now = backend_now();
    if (connected && now >= session_.deadline()) hang_up(ClientStatus::kTimeout, "");
    if (!session_.completions().empty() || fd_ < 0 || now >= until) break;
    const Nanos wait =
        std::clamp(std::min(until, session_.deadline()) - now, Nanos(0), Nanos(millis(1000)));
    const short events = session_.output().empty() ? POLLIN : POLLIN | POLLOUT;
    pollfd waiting{fd_, events, 0};
    const timespec limit{wait.count() / 1'000'000'000, wait.count() % 1'000'000'000};
    ::ppoll(&waiting, 1, &limit, nullptr);
  }
  auto& completions = session_.completions();
  done.insert(done.end(), std::make_move_iterator(completions.begin()),
              std::make_move_iterator(completions.end()));
  completions.clear();
}

}  // namespace minos
