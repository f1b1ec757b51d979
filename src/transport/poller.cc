#include "transport/poller.h"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace minos {

std::expected<std::unique_ptr<Poller>, std::string> Poller::create() {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  Fd event(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  std::unique_ptr<Poller> poller(new Poller(std::move(epoll), std::move(event)));
  if (!poller->epoll_ || !poller->wake_event_ ||
      !poller->add(poller->wake_event_.get(), EPOLLIN | EPOLLET, nullptr)) {
    return std::unexpected(fmt::format("cannot create an epoll: {}", std::strerror(errno)));
  }
  return poller;
}

Poller::Poller(Fd epoll, Fd wake_event)
    : epoll_(std::move(epoll)), wake_event_(std::move(wake_event)) {}

void Poller::wake() {
  const std::uint64_t one = 1;
  // Edge-triggered: each write is an edge, so the counter is never read. It cannot overflow in the
  // life of a server, and if it did the write would fail while an edge is already there.
  [[maybe_unused]] const ssize_t written = ::write(wake_event_.get(), &one, sizeof one);
}

bool Poller::add(int fd, std::uint32_t events, void* tag) {
  epoll_event wanted{};
  wanted.events = events;
  wanted.data.ptr = tag;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &wanted) == 0;
}

void Poller::remove(int fd) {
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

std::span<const epoll_event> Poller::wait(Nanos block) {
  int timeout_ms = -1;
  if (block >= Nanos(0)) {
    timeout_ms = static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(block).count());
  }
  const int count = ::epoll_wait(epoll_.get(), events_.data(), kEvents, timeout_ms);
  const auto end = std::remove_if(events_.begin(), events_.begin() + std::max(count, 0),
                                  [](const epoll_event& event) { return !event.data.ptr; });
  return {events_.begin(), end};
}

}  // namespace minos
