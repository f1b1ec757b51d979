#include "server/acceptor.h"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <chrono>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "server/steady_clock.h"
#include "wire/memcache_reply.h"

namespace minos {

Acceptor::Acceptor(const Shared& shared, std::vector<Fd> listeners,
                   std::function<void(CoreId)> wake)
    : shared_(shared), listeners_(std::move(listeners)), wake_(std::move(wake)) {}

bool Acceptor::watch(int epoll, std::uint64_t tag) {
  for (const Fd& listener : listeners_) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.u64 = tag;
    if (::epoll_ctl(epoll, EPOLL_CTL_ADD, listener.get(), &wanted) != 0) return false;
  }
  return true;
}

void Acceptor::accept_all() {
  for (const Fd& listener : listeners_) {
    for (;;) {
      auto socket = accept_stream(listener.get());
      if (!socket) {
        spdlog::error("{}", socket.error());
        break;
      }
      if (!*socket) break;
      give(std::move(*socket));
    }
  }
}

void Acceptor::give(Fd socket) {
  const int slot = shared_.registry.open(socket.get(), peer_name(socket.get()),
                                         local_name(socket.get()), SteadyClock::unix_now());
  if (slot < 0) {
    constexpr std::string_view kRefusal = text_reply::kTooManyConnections;
    ::send(socket.get(), kRefusal.data(), kRefusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return;
  }
  const CoreId core = choose();
  auto connection = std::make_unique<Connection>(socket.release(), shared_.item_bytes_max,
                                                 &shared_.registry, slot);
  connection->home = core;
  Mesh::Message message = std::move(connection);
  // A worker that is behind holds up the acceptor, so that further connections wait in the listen
  // backlog; one that takes nothing for a second does not hold up those of the others for longer.
  constexpr int kTriesMax = 5000;
  constexpr auto kPause = std::chrono::microseconds(200);
  for (int tries = 0; !shared_.mesh.try_push(shared_.mesh.acceptor(), core, message); ++tries) {
    if (tries == kTriesMax) {
      const Fd refused(message->route().handle);
      spdlog::warn("worker {} does not take connections: refused one", core.value);
      return;
    }
    std::this_thread::sleep_for(kPause);
  }
  if (shared_.mesh.must_wake(core)) wake_(core);
}

CoreId Acceptor::choose() const {
  const CorePlan& plan = *shared_.plans.current();
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
