#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"

namespace minos {

// The open connections of a server, for the connection limit and `stats conns`. Opened and closed
// under a lock, off the request path; the time of a connection's last command is noted without one.
class ConnectionRegistry {
 public:
  struct Entry {
    int handle = -1;
    std::string peer;
    std::string local;
    UnixSeconds last_command = 0;
  };

  explicit ConnectionRegistry(std::uint32_t slots);

  // A slot, or -1 when all are taken. Any thread.
  int open(int handle, std::string_view peer, std::string_view local, UnixSeconds now);
  void close(int slot);

  // By the connection's owner only.
  void note_command(int slot, UnixSeconds now) {
    // Relaxed: a time stamp that orders nothing.
    // Stored once a second only, as slots of different owners share cache lines.
    std::atomic<UnixSeconds>& last = slots_[static_cast<std::size_t>(slot)].last_command;
    if (last.load(std::memory_order_relaxed) != now) last.store(now, std::memory_order_relaxed);
  }

  void for_each(const std::function<void(const Entry&)>& visit) const;
  std::uint32_t open_count() const { return open_count_.load(std::memory_order_relaxed); }
  std::uint64_t opened_total() const { return opened_.load(std::memory_order_relaxed); }
  std::uint64_t rejected_total() const { return rejected_.load(std::memory_order_relaxed); }
  std::uint32_t capacity() const { return static_cast<std::uint32_t>(slots_.size()); }

 private:
  struct Slot {
    int handle = -1;
    std::string peer;
    std::string local;
    std::atomic<UnixSeconds> last_command{0};
  };

  mutable std::mutex mutex_;  // guards everything but the atomics
  std::vector<Slot> slots_;
  std::vector<int> free_;
  // Relaxed counts for statistics; written under the mutex.
  std::atomic<std::uint32_t> open_count_{0};
  std::atomic<std::uint64_t> opened_{0};
  std::atomic<std::uint64_t> rejected_{0};
};

}  // namespace minos
