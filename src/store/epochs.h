#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/units.h"

namespace minos::store {

// Quiescent-state based reclamation. Whoever unlinks something calls retire() and may reuse it
// once reached() says so: by then every core has declared, since, that it holds no reference.
//
// Why that is enough: retire() advances the clock after the unlinking. A core that read the
// advanced clock in quiesce() sees the unlinking in all it does later, and whatever it did before
// happened before its announcement, which oldest() reads.
class Epochs {
 public:
  explicit Epochs(std::uint32_t cores) : cores_(cores), at_(new Slot[cores]) {}

  // The core has no reference to anything it found before. Called by that core only.
  void quiesce(std::uint32_t core) {
    // Acquire: pairs with the release of retire(). Release: pairs with the acquire of oldest().
    at_[core].epoch.store(clock_.load(std::memory_order_acquire), std::memory_order_release);
  }
  void offline(std::uint32_t core) {
    // Release: pairs with the acquire of oldest().
    at_[core].epoch.store(kOffline, std::memory_order_release);
  }
  void online(std::uint32_t core) {
    // A read-modify-write, so that it reads the one of oldest() that found this core offline, and
    // with it sees all that was unlinked before.
    at_[core].epoch.exchange(clock_.load(std::memory_order_acquire), std::memory_order_acq_rel);
  }

  // To be called after unlinking; the stamp that reached() wants.
  std::uint64_t retire() { return clock_.fetch_add(1, std::memory_order_acq_rel); }

  // Everything stamped before this may be reused.
  std::uint64_t oldest() {
    std::uint64_t oldest = kOffline;
    for (std::uint32_t core = 0; core < cores_; ++core) {
      std::uint64_t epoch = at_[core].epoch.load(std::memory_order_acquire);
      // See online(). Changes nothing, so it is harmless to a core that came online meanwhile.
      if (epoch == kOffline) epoch = at_[core].epoch.fetch_add(0, std::memory_order_acq_rel);
      if (epoch < oldest) oldest = epoch;
    }
    return oldest;
  }

 private:
  static constexpr std::uint64_t kOffline = ~std::uint64_t{0};
  struct alignas(2 * kCacheLineBytes) Slot {
    std::atomic<std::uint64_t> epoch{kOffline};
  };

  std::uint32_t cores_;
  std::unique_ptr<Slot[]> at_;
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> clock_{1};
};

}  // namespace minos::store
