#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <span>
#include <utility>

#include "base/limits.h"
#include "base/units.h"
#include "wire/packet.h"

namespace minos {

// Requests that a core has received and not begun, in their order: ZygOS' software queue. The core
// itself and idle ones take from the front. Any thread.
class alignas(kCacheLineBytes) StealQueue {
 public:
  // False when it is full: the packet stays with the caller.
  bool push(KeptPacket& packet) {
    const std::lock_guard lock(mutex_);
    if (used_ == packets_.size()) return false;
    packets_[(first_ + used_++) % packets_.size()] = std::move(packet);
    count_.store(used_, std::memory_order_relaxed);
    return true;
  }

  // As many as fit and are there.
  std::size_t take(std::span<KeptPacket> out) {
    if (empty()) return 0;
    const std::lock_guard lock(mutex_);
    std::size_t taken = 0;
    for (; taken < out.size() && used_ != 0; ++taken, --used_) {
      out[taken] = std::move(packets_[first_]);
      first_ = (first_ + 1) % packets_.size();
    }
    count_.store(used_, std::memory_order_relaxed);
    return taken;
  }

  // Relaxed: a guess for thieves, exact for the only one who pushes.
  bool empty() const { return count_.load(std::memory_order_relaxed) == 0; }

 private:
  std::atomic<std::size_t> count_{0};
  std::mutex mutex_;  // guards what follows
  std::size_t first_ = 0;
  std::size_t used_ = 0;
  std::array<KeptPacket, 2 * kBurstRequestsMax> packets_;
};

}  // namespace minos
