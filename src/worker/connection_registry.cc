#include "worker/connection_registry.h"

namespace minos {

ConnectionRegistry::ConnectionRegistry(std::uint32_t slots) : slots_(slots) {
  free_.reserve(slots);
  for (std::uint32_t i = slots; i > 0; --i) free_.push_back(static_cast<int>(i - 1));
}

int ConnectionRegistry::open(int handle, std::string_view peer, std::string_view local,
                             UnixSeconds now) {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) {
    rejected_.fetch_add(1, std::memory_order_relaxed);
    return -1;
  }
  const int index = free_.back();
  free_.pop_back();
  Slot& slot = slots_[static_cast<std::size_t>(index)];
  slot.handle = handle;
  slot.peer = peer;
  slot.local = local;
  slot.last_command.store(now, std::memory_order_relaxed);
  open_count_.fetch_add(1, std::memory_order_relaxed);
  opened_.fetch_add(1, std::memory_order_relaxed);
  return index;
}

void ConnectionRegistry::close(int slot) {
  const std::lock_guard lock(mutex_);
  slots_[static_cast<std::size_t>(slot)].handle = -1;
  free_.push_back(slot);
  open_count_.fetch_sub(1, std::memory_order_relaxed);
}

void ConnectionRegistry::for_each(const std::function<void(const Entry&)>& visit) const {
  const std::lock_guard lock(mutex_);
  for (const Slot& slot : slots_) {
    if (slot.handle < 0) continue;
    visit({slot.handle, slot.peer, slot.local, slot.last_command.load(std::memory_order_relaxed)});
  }
}

}  // namespace minos
