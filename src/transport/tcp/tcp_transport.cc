#include "transport/tcp/tcp_transport.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>

#include "base/limits.h"

namespace minos {

void TcpTransport::receive(const RxPlan& plan, std::span<const epoll_event> events, Rx& rx) {
  for (const epoll_event& event : events) note(event, rx);
  for (Stream* stream : broken_) rx.add(*stream, RxEvent::kBroken);
  broken_.clear();
  ready_.drain(plan, rx,
               [&](Stream& stream, std::uint64_t bytes_max) { read(stream, bytes_max, rx); });
  rx.finish();
}

void TcpTransport::note(const epoll_event& event, Rx& rx) {
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
  if (!poller_.add(route.handle, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &stream)) {
    route.writable = false;
    broken_.push_back(&stream);
  }
}

void TcpTransport::detach(Stream& stream, bool close) {
  Stream::Route& route = stream.transport_route();
  poller_.remove(route.handle);
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
