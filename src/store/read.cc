#include "store/core.h"
#include "store/kv_impl.h"

namespace minos {

namespace store {

// What a reader is told of a record. Written once, field by field, where it stays: a copy in wider
// words than it was written in would wait for the writes.
[[gnu::always_inline]] inline void Core::describe(const Record& record, std::uint8_t bits,
                                                  std::uint64_t cas, const ItemMeta& meta,
                                                  std::optional<ItemRef>& item) {
  lent_ = true;
  std::string_view value = record.inline_value(bits);
  std::uint64_t value_bytes = value.size();
  LargeValue* large = nullptr;
  if (Record::large(bits)) [[unlikely]] {
    large = large_of(record);
    value_bytes = large->value_bytes;
    value = {};
  }
  item.emplace(record.key(bits), cas, meta, value_bytes, value, large);
}

// What a look-up that came to the record of its key finds.
[[gnu::always_inline]] inline void Core::take(Record record, std::string_view key,
                                              std::uint64_t hash, const Now& now,
                                              std::optional<ItemRef>& item) {
  const std::uint8_t bits = record.bits();
  if (Record::plain(bits)) [[likely]] {
    take_as(record, Record::plain_bits(bits), key, hash, now, item);
  } else {
    take_as(record, bits, key, hash, now, item);
  }
}

[[gnu::always_inline]] inline void Core::take_as(Record record, std::uint8_t bits,
                                                 std::string_view key, std::uint64_t hash,
                                                 const Now& now, std::optional<ItemRef>& item) {
  const std::uint64_t cas = record.cas(bits);
  const ItemMeta meta = record.meta(bits);
  if (!is_live(cas, meta.expires_at, now)) [[unlikely]] {
    drop_dead(key, hash, now);
    return;
  }
  describe(record, bits, cas, meta, item);
  record.count_use(bits, uses_not_counted_);
}

[[gnu::always_inline]] inline std::optional<ItemRef> Core::find(std::string_view key,
                                                                std::uint64_t hash,
                                                                const Now& now) {
  begin(now);
  std::optional<ItemRef> item;
  if (const Ref ref = shared_.index.find(key, hash); ref != 0) {
    take(shared_.index.record(ref), key, hash, now, item);
  }
  return item;
}

void Core::find_batch(std::span<Lookup> lookups, const Now& now) {
  begin(now);
  while (!lookups.empty()) {
    const std::span<Lookup> batch = lookups.first(std::min(lookups.size(), kLookupsAtOnce));
    lookups = lookups.subspan(batch.size());
    const Index& index = shared_.index;
    // A bucket may be left behind by a split before it is looked into, and what it says may be
    // changed before that is followed: either was the truth after this function began.
    std::array<const Bucket*, kLookupsAtOnce> homes;
    std::array<Ref, kLookupsAtOnce> refs;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      homes[i] = index.home_bucket(batch[i].hash);
      __builtin_prefetch(homes[i]);
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      refs[i] = index.prefetch_match(*homes[i], batch[i].hash, batch[i].key.size());
    }
    for (std::size_t i = 0; i < batch.size(); ++i) {
      Lookup& lookup = batch[i];
      lookup.item.reset();
      if (!lookup.read) continue;
      const Record record = index.record(refs[i]);
      if (refs[i] != 0 && record.has_key(lookup.key)) [[likely]] {
        take(record, lookup.key, lookup.hash, now, lookup.item);
        // Where an inline value ends is often a line further. A long one's lines in between are
        // left to what the hardware makes of a copy.
        if (lookup.item) {
          const std::string_view found = lookup.item->key;
          __builtin_prefetch(found.data() + found.size() + lookup.item->inline_value.size() - 1);
        }
      } else {
        find_again(lookup, now);
      }
    }
  }
}

// Not the first whose tag matches: another, one in the stash, or there is none.
void Core::find_again(Lookup& lookup, const Now& now) {
  const Ref ref = shared_.index.find(lookup.key, lookup.hash);
  if (ref == 0) return;
  take(shared_.index.record(ref), lookup.key, lookup.hash, now, lookup.item);
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
    const std::uint8_t bits = record.bits();
    record.count_use(bits, uses_not_counted_);
    std::optional<ItemRef> item;
    describe(record, bits, record.cas(bits), record.meta(bits), item);
    shared_.index.unlock(home);
    return *item;
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

void StoreCore::find_batch(std::span<Lookup> lookups, Now now) {
  impl_->core.find_batch(lookups, now);
}

}  // namespace minos
