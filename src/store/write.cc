#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "store/core.h"

namespace minos::store {

namespace {

// Whether a store of this mode goes ahead, given what is there.
StoreStatus verdict(StoreMode mode, bool present, std::uint64_t present_cas, std::uint64_t cas) {
  switch (mode) {
    case StoreMode::kAdd:
      return present ? StoreStatus::kNotStored : StoreStatus::kStored;
    case StoreMode::kReplace:
      return present ? StoreStatus::kStored : StoreStatus::kNotStored;
    case StoreMode::kCas:
      if (!present) return StoreStatus::kNotFound;
      return present_cas == cas ? StoreStatus::kStored : StoreStatus::kExists;
    default:
      return StoreStatus::kStored;
  }
}

// What one call allocates for a draft at most, and what it may while memory is short.
constexpr std::uint64_t kPortionMax = 4 * kMiB;
constexpr std::uint64_t kPortionWhenShort = kSegmentBytes;

bool is_extension(StoreMode mode) {
  return mode == StoreMode::kAppend || mode == StoreMode::kPrepend;
}

}  // namespace

StoreStatus Core::put(StoreMode mode, std::string_view key, std::uint64_t hash, ItemMeta meta,
                      std::string_view value, std::uint64_t cas, const Now& now) {
  DCHECK(!key.empty() && key.size() <= kKeyBytesMax);
  begin(now);
  if (is_extension(mode)) return extend(mode, key, hash, {value, nullptr}, now);
  if (value.size() > shared_.options.item_bytes_max) return StoreStatus::kTooLarge;
  Record::Parts parts{key, value, 0, meta, 0, 0};
  if (value.size() <= kInlineValueBytesMax) return store_record(mode, hash, parts, cas, now);
  LargeValue* large = reserve(hash, value.size(), now);
  if (large == nullptr) return StoreStatus::kOutOfMemory;
  LargeCursor cursor = shared_.heap.begin(large);
  shared_.heap.write(large, cursor, value);
  const StoreStatus status = publish(mode, key, hash, meta, large, cas, now);
  if (status == StoreStatus::kOutOfMemory) shared_.discard(large, value.size());
  return status;
}

bool Core::begin_draft(std::uint64_t value_bytes) {
  DCHECK(value_bytes != 0);
  // Relaxed: a sum under a bound, it orders nothing.
  const std::uint64_t drafts =
      shared_.draft_bytes.fetch_add(value_bytes, std::memory_order_relaxed) + value_bytes;
  if (drafts <= shared_.options.memory_bytes / 2) return true;
  shared_.draft_bytes.fetch_sub(value_bytes, std::memory_order_relaxed);
  shared_.drafts_refused.fetch_add(1, std::memory_order_relaxed);
  unfinished_ = false;
  return false;
}

bool Core::grow(LargeHeap::Growth& draft, const Now& now) {
  begin(now);
  unfinished_ = true;
  const std::uint64_t left = draft.value_bytes - draft.end.value_offset;
  if (is_short(Pace::kForChunks)) {
    quiesce_if_unused();
    const std::uint64_t bytes = kCleanPerByte * std::min(left, kPortionWhenShort);
    const std::uint32_t records = clean(bytes, Pace::kForChunks, now);
    if (records >= kRecordsPerClean && is_short(Pace::kForChunks)) return true;
  }
  const std::uint64_t portion =
      std::clamp(spare_bytes(Pace::kForChunks), kPortionWhenShort, kPortionMax);
  bool more = shared_.heap.grow(draft, portion, shared_.reserve_segments);
  if (!more && relieve(left, now)) {
    more = true;
    shared_.heap.grow(draft, portion, shared_.reserve_segments);
  }
  unfinished_ = more && !draft.complete();
  return more;
}

// A whole draft at once, or nullptr.
LargeValue* Core::reserve(std::uint64_t hash, std::uint64_t value_bytes, const Now& now) {
  if (!begin_draft(value_bytes)) return nullptr;
  LargeHeap::Growth draft{nullptr, value_bytes, hash, {}};
  while (!draft.complete()) {
    if (grow(draft, now)) continue;
    shared_.discard(draft.value, value_bytes);
    return nullptr;
  }
  return draft.value;
}

StoreStatus Core::publish(StoreMode mode, std::string_view key, std::uint64_t hash, ItemMeta meta,
                          LargeValue* value, std::uint64_t cas, const Now& now) {
  begin(now);
  if (is_extension(mode)) {
    const StoreStatus status = extend(mode, key, hash, {{}, value}, now);
    if (status != StoreStatus::kOutOfMemory) shared_.discard(value, value->value_bytes);
    return status;
  }
  const std::uint64_t value_bytes = value->value_bytes;
  const Record::Parts parts{key, {}, shared_.heap.unit_of(value), meta, 0, 0};
  const StoreStatus status = store_record(mode, hash, parts, cas, now);
  if (status == StoreStatus::kStored) {
    shared_.draft_bytes.fetch_sub(value_bytes, std::memory_order_relaxed);
  } else if (status != StoreStatus::kOutOfMemory) {
    shared_.discard(value, value_bytes);
  }
  return status;
}

// New items go to the small queue, those that were evicted from there too early to the main one,
// overwritten ones stay in theirs.
Queue Core::choose_queue(std::string_view key, std::uint64_t hash) {
  if (const Ref ref = shared_.index.find(key, hash); ref != 0) {
    return segment_of(ref).queue.load(std::memory_order_relaxed);
  }
  return shared_.ghost.has(hash) ? Queue::kMain : Queue::kSmall;
}

// Makes room for one more slot near this hash, by splitting or, failing that, by evicting.
bool Core::make_index_room(std::uint64_t hash, const Now& now) {
  const Index::Grown grown = shared_.index.grow(hash, shared_.reserve_segments);
  if (grown == Index::Grown::kDone) return true;
  if (grown == Index::Grown::kNoMemory && relieve(kSegmentBytes, now)) return true;
  if (!shared_.options.evict) return false;
  const Index::Home home = shared_.index.lock(hash);
  if (!shared_.index.has_room(home)) {
    unlink(home, shared_.index.least_used(home));
    counters_.evictions.add(1);
  }
  shared_.index.unlock(home);
  return true;
}

StoreStatus Core::store_record(StoreMode mode, std::uint64_t hash, Record::Parts parts,
                               std::uint64_t cas, const Now& now) {
  const bool large = parts.large_unit != 0;
  const std::uint32_t bytes = shared_.granule.round_up(
      large ? Record::bytes_for_large(parts.key.size(), parts.meta)
            : Record::bytes_for(parts.key.size(), parts.value.size(), parts.meta));
  for (;;) {
    const Queue queue = choose_queue(parts.key, hash);
    if (!ensure_room(queue, bytes, now)) return StoreStatus::kOutOfMemory;
    const Index::Home home = shared_.index.lock(hash);
    const Index::Slot slot = find_live(home, parts.key, hash, now);
    const Record old = shared_.index.record(slot ? slot.ref() : 0);
    const StoreStatus status = verdict(mode, static_cast<bool>(slot), slot ? old.cas() : 0, cas);
    if (status != StoreStatus::kStored) {
      shared_.index.unlock(home);
      return status;
    }
    parts.cas = new_cas();
    parts.uses = slot ? old.uses() : 0;
    const Ref ref = append(queue, parts);
    const Record record = shared_.index.record(ref);
    if (slot) {
      replace(slot, ref, false);
    } else if (!shared_.index.insert(home, hash, ref)) {
      undo_append(queue, ref);
      shared_.index.unlock(home);
      if (make_index_room(hash, now)) continue;
      return StoreStatus::kOutOfMemory;
    }
    count_item(record);
    if (large) {
      LargeValue* value = shared_.heap.value_at(parts.large_unit);
      shared_.large_queues.push(value, queue, shared_.log.stamp(value->value_bytes));
    }
    shared_.index.unlock(home);
    counters_.items_total.add(1);
    if (queue == Queue::kMain && !slot) shared_.ghost.remove(hash);
    return StoreStatus::kStored;
  }
}

}  // namespace minos::store
