#include "store/core.h"
#include "store/kv_impl.h"

namespace minos {

namespace store {

inline ItemRef Core::describe(const Record& record) {
  lent_ = true;
  std::uint32_t unit = 0;
  ItemRef item = record.describe(unit);
  if (unit != 0) [[unlikely]] {
    item.large = shared_.heap.value_at(unit);
    item.value_bytes = item.large->value_bytes;
    item.inline_value = {};
  }
  return item;
}

[[gnu::always_inline]] inline std::optional<ItemRef> Core::find(std::string_view key,
                                                                std::uint64_t hash,
                                                                const Now& now) {
  begin(now);
  const Ref ref = shared_.index.find(key, hash);
  if (ref == 0) return std::nullopt;
  Record record = shared_.index.record(ref);
  const ItemRef item = describe(record);
  if (!is_live(item.cas, item.meta.expires_at, now)) [[unlikely]] {
    drop_dead(key, hash, now);
    return std::nullopt;
  }
  record.count_use(uses_not_counted_);
  return item;
}

void Core::drop_dead(std::string_view key, std::uint64_t hash, const Now& now) {
  const Index::Home home = shared_.index.lock(hash);
  find_live(home, key, hash, now);
  shared_.index.unlock(home);
}

std::expected<ItemRef, StoreStatus> Core::touch(std::string_view key, std::uint64_t hash,
                                                UnixSeconds expires_at, const Now& now) {
  begin(now);
  for (;;) {
    // A first look, for how much room a new record would need.
    const Ref seen = shared_.index.find(key, hash);
    if (seen == 0) return std::unexpected(StoreStatus::kNotFound);
    const Record peeked = shared_.index.record(seen);
    const std::uint32_t room = shared_.granule.round_up(peeked.bytes() + 4);
    const Queue queue = segment_of(seen).queue.load(std::memory_order_relaxed);
    const bool in_place = peeked.has_expiry() || expires_at == 0;
    const bool has_memory = in_place || ensure_room(queue, room, now);

    const Index::Home home = shared_.index.lock(hash);
    const Index::Slot slot = find_live(home, key, hash, now);
    if (!slot || !has_memory) {
      shared_.index.unlock(home);
      return std::unexpected(slot ? StoreStatus::kOutOfMemory : StoreStatus::kNotFound);
    }
    Ref ref = slot.ref();
    Record record = shared_.index.record(ref);
    if (record.has_expiry()) {
      record.set_expires_at(expires_at);
      note_expiry(ref, expires_at);
    } else if (expires_at != 0) {
      if (in_place || !has_room(queue, shared_.granule.round_up(record.bytes() + 4))) {
        shared_.index.unlock(home);
        continue;  // it was replaced since
      }
      Record::Parts parts{record.key(), {}, 0, record.meta(), record.cas(), record.uses()};
      parts.meta.expires_at = expires_at;
      if (record.large()) {
        parts.large_unit = record.large_unit();
      } else {
        parts.value = record.inline_value();
      }
      ref = append(queue, parts);
      record = shared_.index.record(ref);
      count_item(record);
      replace(slot, ref, true);
    }
    record.count_use(uses_not_counted_);
    const ItemRef item = describe(record);
    shared_.index.unlock(home);
    return item;
  }
}

bool Core::remove(std::string_view key, std::uint64_t hash, const Now& now) {
  begin(now);
  const Index::Home home = shared_.index.lock(hash);
  const Index::Slot slot = find_live(home, key, hash, now);
  if (slot) unlink(home, slot);
  shared_.index.unlock(home);
  return static_cast<bool>(slot);
}

}  // namespace store

// Here, so that the compiler makes one function of it and what it calls.
std::optional<ItemRef> StoreCore::find(std::string_view key, std::uint64_t hash, Now now) {
  return impl_->core.find(key, hash, now);
}

}  // namespace minos
