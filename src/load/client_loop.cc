#include "load/client_loop.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "base/limits.h"

namespace minos {
namespace {

constexpr std::size_t kReceiveBytes = 256 * 1024;
constexpr std::size_t kHeadBytes = 2048;
constexpr int kEventsPerPoll = 32;

// Dropping a body in the kernel costs a system call of its own: below this it is cheaper to receive
// it along with whatever follows.
constexpr std::uint64_t kDropBytesMin = 16 * 1024;
constexpr std::uint64_t kDropBytesMax = 1 << 20;

// Of a preload, on each connection.
constexpr std::size_t kPreloadDepthOfConnection = 32;
constexpr std::uint64_t kPreloadPendingBytesMax = 1 << 20;

}  // namespace

Nanos monotonic_now() {
  static const auto origin = std::chrono::steady_clock::now();
  return std::chrono::steady_clock::now() - origin;
}

ClientLoop::ClientLoop(const LoadProtocol& protocol, const KeySpace& keys, const Options& options)
    : protocol_(protocol),
      keys_(keys),
      options_(options),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      buffer_(kReceiveBytes) {
  CHECK(epoll_ >= 0);
}

ClientLoop::~ClientLoop() {
  for (const Connection& connection : connections_) ::close(connection.fd);
  ::close(epoll_);
}

std::expected<void, std::string> ClientLoop::connect(const Address& address, std::uint32_t count) {
  server_ = address.text();
  while (connections_.size() < count) {
    const auto fd = connect_tcp(address, options_.timeout);
    if (!fd) {
      failure_ = fd.error();
      return std::unexpected(failure_);
    }
    ::fcntl(*fd, F_SETFL, ::fcntl(*fd, F_GETFL) | O_NONBLOCK);
    const int on = 1;
    if (options_.kernel_times) ::setsockopt(*fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    connections_.push_back({.fd = *fd, .session = Session(protocol_, keys_, options_.verify)});
    epoll_event event{.events = EPOLLIN, .data = {.u32 = connections() - 1}};
    CHECK(::epoll_ctl(epoll_, EPOLL_CTL_ADD, *fd, &event) == 0);
  }
  return {};
}

bool ClientLoop::preload_room(std::uint32_t connection) const {
  const Session& session = connections_[connection].session;
  return session.outstanding() < kPreloadDepthOfConnection &&
         session.output().pending_bytes() < kPreloadPendingBytesMax;
}

void ClientLoop::push(std::uint32_t connection, const LoadRequest& request, Nanos scheduled,
                      Nanos now) {
  Connection& to = connections_[connection];
  if (to.session.outstanding() == 0) to.heard = now;
  to.session.push(request, scheduled);
  ++outstanding_;
  if (to.to_flush || to.blocked) return;
  to.to_flush = true;
  to_flush_.push_back(connection);
}

void ClientLoop::flush() {
  for (const std::uint32_t index : to_flush_) {
    connections_[index].to_flush = false;
    send(index);
  }
  to_flush_.clear();
}

void ClientLoop::send(std::uint32_t index) {
  Connection& connection = connections_[index];
  OutputBuffer& output = connection.session.output();
  bool blocked = false;
  if (options_.kernel_times) connection.session.note_sending(monotonic_now());
  while (!output.empty() && !blocked) {
    std::array<iovec, kIoVectorsMax> entries;
    msghdr message{};
    message.msg_iov = entries.data();
    message.msg_iovlen = output.gather(entries);
    const ssize_t n = ::sendmsg(connection.fd, &message, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno != EAGAIN) return fail(index, std::strerror(errno));
    blocked = n < 0;
    if (blocked) break;
    output.sent(static_cast<std::uint64_t>(n));
    bytes_out_ += static_cast<std::uint64_t>(n);
  }
  if (blocked != connection.blocked) watch(index, blocked);
}

void ClientLoop::watch(std::uint32_t index, bool writable) {
  Connection& connection = connections_[index];
  connection.blocked = writable;
  const std::uint32_t events = writable ? EPOLLIN | EPOLLOUT : EPOLLIN;
  epoll_event event{.events = events, .data = {.u32 = index}};
  CHECK(::epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event) == 0);
}

void ClientLoop::poll(Nanos wait, std::vector<Arrived>& out) {
  std::array<epoll_event, kEventsPerPoll> events;
  int ready = 0;
  if (wait <= Nanos(0)) {
    ready = ::epoll_wait(epoll_, events.data(), kEventsPerPoll, 0);
  } else {
    const timespec limit{.tv_sec = wait.count() / 1'000'000'000,
                         .tv_nsec = wait.count() % 1'000'000'000};
    ready = ::epoll_pwait2(epoll_, events.data(), kEventsPerPoll, &limit, nullptr);
  }
  for (int i = 0; i < ready && failure_.empty(); ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if ((event.events & EPOLLOUT) != 0) send(event.data.u32);
    if ((event.events & ~static_cast<std::uint32_t>(EPOLLOUT)) != 0) receive(event.data.u32, out);
  }
}

void ClientLoop::receive(std::uint32_t index, std::vector<Arrived>& out) {
  Connection& connection = connections_[index];
  Session& session = connection.session;
  const std::uint64_t droppable = std::min(session.droppable_bytes(), kDropBytesMax);
  const bool drop = droppable >= kDropBytesMin;
  // Of a body that will be dropped, no more than comes with its head is copied.
  const bool drop_soon = session.droppable_due() >= kDropBytesMin;
  Nanos kernel_at{0};
  // MSG_TRUNC on a TCP socket discards the bytes without copying them.
  const ssize_t n =
      drop ? ::recv(connection.fd, nullptr, droppable, MSG_TRUNC)
           : receive_bytes(connection.fd, drop_soon ? kHeadBytes : buffer_.size(), kernel_at);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return fail(index, std::strerror(errno));
  if (n == 0) return fail(index, "the server closed the connection");
  const Nanos at = monotonic_now();
  const auto bytes = static_cast<std::size_t>(n);
  connection.heard = at;
  bytes_in_ += bytes;
  if (drop) {
    session.dropped(bytes);
    return;
  }
  finished_.clear();
  const bool fine = session.receive({buffer_.data(), bytes}, finished_);
  outstanding_ -= finished_.size();
  for (const FinishedRequest& done : finished_) out.push_back({done, index, at, kernel_at});
  if (!fine) fail(index, session.failure());
}

ssize_t ClientLoop::receive_bytes(int fd, std::size_t bytes_max, Nanos& kernel_at) {
  if (!options_.kernel_times) return ::recv(fd, buffer_.data(), bytes_max, 0);
  iovec part{buffer_.data(), bytes_max};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(timespec))> control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(fd, &message, 0);
  const cmsghdr* const header = n > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_type != SCM_TIMESTAMPNS) return n;
  timespec stamp;
  std::memcpy(&stamp, CMSG_DATA(header), sizeof stamp);
  // The kernel stamps by the clock of the day.
  const auto day_now = std::chrono::system_clock::now().time_since_epoch();
  const auto ago = day_now - std::chrono::seconds(stamp.tv_sec) - Nanos(stamp.tv_nsec);
  kernel_at = monotonic_now() - std::chrono::duration_cast<Nanos>(ago);
  return n;
}

void ClientLoop::check_silence(Nanos now) {
  for (std::uint32_t i = 0; i < connections() && failure_.empty(); ++i) {
    const Connection& connection = connections_[i];
    if (connection.session.outstanding() == 0 || now - connection.heard <= options_.timeout)
      continue;
    const double timeout_s = std::chrono::duration<double>(options_.timeout).count();
    fail(i, fmt::format("the server has not answered for {} s", timeout_s));
  }
}

void ClientLoop::fail(std::uint32_t index, std::string_view cause) {
  if (!failure_.empty()) return;
  failure_ = fmt::format("connection {} of {} to {}: {} ({} requests outstanding on it)", index + 1,
                         connections(), server_, cause, outstanding_on(index));
}

std::string ClientLoop::first_refusal() const {
  for (const Connection& connection : connections_) {
    if (const auto& text = connection.session.first_refusal(); !text.empty()) return text;
  }
  return {};
}

}  // namespace minos
