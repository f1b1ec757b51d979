#include "server/acceptor.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "server/steady_clock.h"
#include "wire/memcache_reply.h"

namespace minos {

namespace {

// How long nothing is accepted once it has become impossible.
constexpr Nanos kPause = millis(10);
constexpr Nanos kComplainEvery = std::chrono::seconds(1);

}  // namespace

std::expected<std::unique_ptr<Acceptor>, std::string> Acceptor::create(
    const Shared& shared, std::vector<Fd> listeners, std::function<void(CoreId)> wake) {
  std::unique_ptr<Acceptor> acceptor(new Acceptor(shared, std::move(listeners), std::move(wake)));
  if (!acceptor->watch_all()) {
    return std::unexpected(fmt::format("cannot watch the listeners: {}", std::strerror(errno)));
  }
  return acceptor;
}

Acceptor::Acceptor(const Shared& shared, std::vector<Fd> listeners,
                   std::function<void(CoreId)> wake)
    : shared_(shared), listeners_(std::move(listeners)), wake_(std::move(wake)) {}

Acceptor::~Acceptor() {
  if (pending_ != nullptr) ::close(pending_->route().handle);
}

bool Acceptor::watch_all() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  retry_timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  epoll_event wanted{};
  wanted.events = EPOLLIN;
  return epoll_ && retry_timer_ &&
         ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, retry_timer_.get(), &wanted) == 0 &&
         watch_listeners(EPOLL_CTL_ADD, true);
}

bool Acceptor::watch_listeners(int operation, bool on) {
  for (const Fd& listener : listeners_) {
    epoll_event wanted{};
    if (on) wanted.events = EPOLLIN;
    if (::epoll_ctl(epoll_.get(), operation, listener.get(), &wanted) != 0) return false;
  }
  return true;
}

void Acceptor::accept_some() {
  if (paused_ && !resume()) return;
  for (const Fd& listener : listeners_) {
    for (std::size_t i = 0; i < kAcceptsPerWake; ++i) {
      auto socket = accept_stream(listener.get());
      if (!socket) {
        complain(socket.error());
        pause();
        return;
      }
      if (!*socket) break;
      pending_ = admit(std::move(*socket));
      if (pending_ != nullptr && !give_pending()) {
        pause();
        return;
      }
    }
  }
}

void Acceptor::pause() {
  constexpr itimerspec kOnce{{}, {0, kPause.count()}};
  ::timerfd_settime(retry_timer_.get(), 0, &kOnce, nullptr);
  if (!paused_) watch_listeners(EPOLL_CTL_MOD, false);
  paused_ = true;
}

// False while it is too early, or the worker that it waits for still has no room.
bool Acceptor::resume() {
  std::uint64_t expirations = 0;
  if (::read(retry_timer_.get(), &expirations, sizeof expirations) <= 0) return false;
  if (pending_ != nullptr && !give_pending()) {
    pause();
    return false;
  }
  watch_listeners(EPOLL_CTL_MOD, true);
  paused_ = false;
  return true;
}

void Acceptor::complain(const std::string& why) {
  const Nanos now = shared_.clock.now();
  if (last_complaint_ != Nanos(0) && now - last_complaint_ < kComplainEvery) return;
  last_complaint_ = now;
  spdlog::error("{}", why);
}

// Null when there are too many connections.
Mesh::Message Acceptor::admit(Fd socket) {
  const int slot = shared_.registry.open(socket.get(), peer_name(socket.get()),
                                         local_name(socket.get()), SteadyClock::unix_now());
  if (slot < 0) {
    constexpr std::string_view kRefusal = text_reply::kTooManyConnections;
    ::send(socket.get(), kRefusal.data(), kRefusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return nullptr;
  }
  return std::make_unique<Connection>(socket.release(), shared_.item_bytes_max, &shared_.registry,
                                      slot);
}

// False when no worker that serves small requests has room in its ring.
bool Acceptor::give_pending() {
  const CorePlan& plan = *shared_.plans.current();
  if (give_pending_to(choose(plan))) return true;
  for (std::uint16_t i = 0; i < plan.core_count(); ++i) {
    if (!shared_.policy.serves_small(CoreId{i}, plan)) continue;
    if (give_pending_to(CoreId{i})) return true;
  }
  return false;
}

bool Acceptor::give_pending_to(CoreId core) {
  pending_->home = core;
  if (!shared_.mesh.try_push(shared_.mesh.acceptor(), core, pending_)) return false;
  if (shared_.mesh.must_wake(core)) wake_(core);
  return true;
}

CoreId Acceptor::choose(const CorePlan& plan) const {
  CoreId best;
  std::uint32_t fewest = ~std::uint32_t{0};
  for (std::uint16_t i = 0; i < plan.core_count(); ++i) {
    if (!shared_.policy.serves_small(CoreId{i}, plan)) continue;
    const std::uint32_t given = shared_.mesh.connections(CoreId{i});
    if (given < fewest) {
      fewest = given;
      best = CoreId{i};
    }
  }
  return best;
}

}  // namespace minos
