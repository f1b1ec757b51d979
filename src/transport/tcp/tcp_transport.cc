#include "transport/tcp/tcp_transport.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "base/limits.h"

namespace minos {

std::expected<std::unique_ptr<TcpTransport>, std::string> TcpTransport::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  Fd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLET;
  wanted.data.ptr = nullptr;
  if (!epoll || !event || ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &wanted) != 0) {
    return std::unexpected(fmt::format("cannot create an epoll: {}", std::strerror(errno)));
  }
  return std::unique_ptr<TcpTransport>(new TcpTransport(std::move(epoll), std::move(event)));
}

TcpTransport::TcpTransport(Fd epoll, Fd wake_event)
    : epoll_(std::move(epoll)), wake_event_(std::move(wake_event)) {}

void TcpTransport::wake() {
  const std::uint64_t one = 1;
  // Edge-triggered: each write is an edge, so the counter is never read. It cannot overflow in the
  // life of a server, and if it did the write would fail while an edge is already there.
  [[maybe_unused]] const ssize_t written = ::write(wake_event_.get(), &one, sizeof one);
}

void TcpTransport::receive(const RxPlan& plan, Rx& rx) {
  rx.clear();
  const bool at_hand = !ready_.empty() || !broken_.empty() || plan.large != nullptr;
  poll(at_hand ? Nanos(0) : plan.block, rx);
  for (Stream* stream : broken_) rx.add(*stream, RxEvent::kBroken);
  broken_.clear();
  ready_.drain(plan, rx,
               [&](Stream& stream, std::uint64_t bytes_max) { read(stream, bytes_max, rx); });
  rx.finish();
}

void TcpTransport::poll(Nanos block, Rx& rx) {
  int timeout_ms = -1;
  if (block >= Nanos(0)) {
    timeout_ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(block).count());
  }
  const int count = ::epoll_wait(epoll_.get(), polled_.data(), kPollEvents, timeout_ms);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = polled_[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) continue;  // wake()
    Stream& stream = *static_cast<Stream*>(event.data.ptr);
    Stream::Route& route = stream.transport_route();
    if ((event.events & EPOLLOUT) != 0 && !route.writable) {
      route.writable = true;
      rx.add(stream, RxEvent::kWritable);
    }
    if ((event.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) route.ending = true;
    if (route.ending || (event.events & EPOLLIN) != 0) {
      route.readable = true;
      ready_.push(stream);
    }
  }
}

void TcpTransport::read(Stream& stream, std::uint64_t bytes_max, Rx& rx) {
  Stream::Route& route = stream.transport_route();
  iovec parts[kIoVectorsMax];
  const std::size_t used = stream.scatter(bytes_max, parts);
  if (used == 0) {
    rx.add(stream, RxEvent::kPending);
    return;
  }
  std::uint64_t room = 0;
  for (const iovec& part : std::span(parts).first(used)) room += part.iov_len;
  const ssize_t got = used == 1 ? ::recv(route.handle, parts[0].iov_base, parts[0].iov_len, 0)
                                : ::readv(route.handle, parts, static_cast<int>(used));
  if (got > 0) {
    stream.received(static_cast<std::uint64_t>(got));
    rx.add(stream, RxEvent::kBytes);
    // A short read emptied the socket: the next bytes raise a new edge. An end that was already
    // reported does not, so it must be read to.
    route.readable = static_cast<std::uint64_t>(got) == room || route.ending;
    if (route.readable) ready_.push(stream);
  } else if (got == 0) {
    route.readable = false;
    rx.add(stream, RxEvent::kEnd);
  } else if (errno == EAGAIN) {
    route.readable = false;
    // Nothing came into the memory that was offered; let the owner take it back.
    rx.add(stream, RxEvent::kBytes);
  } else if (errno == EINTR) {
    ready_.push(stream);
  } else {
    route.readable = false;
    rx.add(stream, RxEvent::kBroken);
  }
}

void TcpTransport::send(Tx& tx) {
  using Kind = Tx::Action::Kind;
  for (const Tx::Action& action : tx.actions) {
    switch (action.kind) {
      case Kind::kAttach:
        attach(*action.stream);
        break;
      case Kind::kResume:
        if (action.stream->route().readable) ready_.push(*action.stream);
        break;
      case Kind::kFlush:
        flush(*action.stream, action.bytes_max, action.more);
        break;
      case Kind::kDetach:
        detach(*action.stream, false);
        break;
      case Kind::kClose:
        detach(*action.stream, true);
        break;
    }
  }
  tx.clear();
}

void TcpTransport::flush(Stream& stream, std::uint64_t bytes_max, bool more) {
  // MSG_MORE: a quantum seldom ends where a segment does, and the remainder would go out as a
  // packet of its own.
  const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
  Stream::Route& route = stream.transport_route();
  while (bytes_max > 0 && route.writable) {
    iovec parts[kIoVectorsMax];
    const std::size_t used = stream.gather(bytes_max, parts);
    if (used == 0) return;
    std::uint64_t offered = 0;
    for (const iovec& part : std::span(parts).first(used)) offered += part.iov_len;
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = used;
    const ssize_t taken = ::sendmsg(route.handle, &message, flags);
    if (taken < 0) {
      if (errno == EINTR) continue;
      route.writable = false;
      if (errno != EAGAIN) broken_.push_back(&stream);
      return;
    }
    const auto bytes = static_cast<std::uint64_t>(taken);
    if (bytes < offered) route.writable = false;
    bytes_max -= bytes;
    stream.sent(bytes);
  }
}

void TcpTransport::attach(Stream& stream) {
  Stream::Route& route = stream.transport_route();
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  wanted.data.ptr = &stream;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, route.handle, &wanted) != 0) {
    route.writable = false;
    broken_.push_back(&stream);
  }
}

void TcpTransport::detach(Stream& stream, bool close) {
  Stream::Route& route = stream.transport_route();
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, route.handle, nullptr);
  ready_.remove(stream);
  std::erase(broken_, &stream);
  if (close) {
    ::close(route.handle);
    route.handle = -1;
  }
  // The next transport finds out anew what is ready.
  stream.reset_route();
  stream.detached();
}

}  // namespace minos
