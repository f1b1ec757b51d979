#pragma once

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>

#include "base/units.h"
#include "transport/fd.h"

namespace minos {

// What one worker sleeps on, shared by its transports: an epoll, and an event that ends its sleep.
// Used by one thread, except for wake().
class Poller {
 public:
  static std::expected<std::unique_ptr<Poller>, std::string> create();

  // Ends a wait() that blocks, now or the next one. Any thread.
  void wake();

  // Reports `events` (EPOLLIN …) of a descriptor with this `tag`. With a null tag the descriptor
  // only ends waits: whoever watches it looks for himself. False: the kernel has no room.
  bool add(int fd, std::uint32_t events, void* tag);
  void remove(int fd);

  // What has happened to descriptors with a tag, until the next wait(). Blocks for the first event
  // so long, rounded up to milliseconds; negative: without end.
  std::span<const epoll_event> wait(Nanos block);

 private:
  Poller(Fd epoll, Fd wake_event);

  static constexpr std::size_t kEvents = 256;

  Fd epoll_;
  Fd wake_event_;
  std::array<epoll_event, kEvents> events_;
};

}  // namespace minos
