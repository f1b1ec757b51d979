#include "store/core.h"

#include "base/check.h"

namespace minos::store {

namespace {

// Ids taken at once, so that cores rarely touch the shared counter.
constexpr std::uint64_t kCasBlock = 256;

// With more cores than this, looking at the epochs of all is not for every step.
constexpr std::uint32_t kFewCores = 4;
constexpr std::uint32_t kQuiescesPerCollect = 8;

}  // namespace

void Core::online() {
  online_ = true;
  shared_.epochs.online(number_);
}

void Core::quiesce() {
  if (online_) shared_.epochs.quiesce(number_);
  lent_ = false;
  if (extension_.what.bytes != 0) [[unlikely]]
    age_extension();
  if (shared_.limbo.empty()) return;
  if (shared_.options.cores > kFewCores && ++quiesces_ % kQuiescesPerCollect != 0) return;
  shared_.limbo.collect(false);
}

void Core::offline() {
  put_back_victim();
  abandon_move();
  abandon_extension();
  end_sweep();
  shared_.epochs.offline(number_);
  lent_ = false;
  online_ = false;
  if (!shared_.limbo.empty()) shared_.limbo.collect(false);
}

// Between operations a core that handed out no ItemRef is quiescent without saying so.
void Core::quiesce_if_unused() {
  if (!lent_) shared_.epochs.quiesce(number_);
}

std::uint64_t Core::new_cas() {
  if (cas_next_ == cas_end_ || cas_next_ <= shared_.flush.watermark()) {
    // Relaxed: only uniqueness matters.
    cas_next_ = shared_.next_cas.fetch_add(kCasBlock, std::memory_order_relaxed);
    cas_end_ = cas_next_ + kCasBlock;
  }
  return cas_next_++ & kCasMask;
}

void Core::seal(Queue queue) {
  Open& open = open_[static_cast<std::size_t>(queue)];
  if (open.id != kNoSegment) shared_.log.seal(open.id, open.used_bytes);
  open = {};
}

bool Core::open_segment(Queue queue, std::uint32_t keep_segments) {
  const SegmentId id = shared_.pool->take(keep_segments);
  if (id == kNoSegment) return false;
  seal(queue);
  shared_.log.open(id, queue, shared_.flush.count());
  open_[static_cast<std::size_t>(queue)] = {id, 0};
  return true;
}

// Makes the open segment of a queue have room for that many bytes, and pays for it by cleaning
// ahead when memory is short. No lock may be held, and what the index said before is out of date.
bool Core::ensure_room(Queue queue, std::uint32_t bytes, const Now& now) {
  if (is_short(Pace::kForRecords)) [[unlikely]] {
    quiesce_if_unused();
    clean(kCleanPerByte * std::uint64_t{bytes}, Pace::kForRecords, now);
  }
  while (!has_room(queue, bytes)) {
    if (open_segment(queue, shared_.reserve_segments)) return true;
    if (!relieve(kSegmentBytes, now)) {
      unfinished_ = false;
      return false;
    }
  }
  return true;
}

char* Core::begin_append(Queue queue, std::uint32_t bytes, Ref& ref) {
  Open& open = open_[static_cast<std::size_t>(queue)];
  DCHECK(has_room(queue, bytes));
  char* at = shared_.pool->bytes_of(open.id) + open.used_bytes;
  ref = static_cast<Ref>(shared_.pool->offset_of(at) >> shared_.granule.shift);
  open.used_bytes += bytes;
  return at;
}

Segment& Core::segment_of(Ref ref) const {
  const std::uint64_t offset = std::uint64_t{ref} << shared_.granule.shift;
  return shared_.pool->segment(shared_.pool->segment_at(offset));
}

void Core::note_expiry(Ref ref, UnixSeconds expires_at) {
  if (expires_at == 0) return;
  std::atomic<std::uint32_t>& first = segment_of(ref).first_expiry;
  std::uint32_t seen = first.load(std::memory_order_relaxed);
  while (expires_at < seen &&
         !first.compare_exchange_weak(seen, expires_at, std::memory_order_relaxed)) {
  }
}

// Writes a record that is not published yet; there must be room.
Ref Core::append(Queue queue, const Record::Parts& parts) {
  const std::uint32_t bytes = shared_.granule.round_up(
      parts.large_unit != 0 ? Record::bytes_for_large(parts.key.size(), parts.meta)
                            : Record::bytes_for(parts.key.size(), parts.value.size(), parts.meta));
  Ref ref = 0;
  Record record(begin_append(queue, bytes, ref));
  record.write(parts);
  segment_of(ref).live_bytes.fetch_add(bytes, std::memory_order_relaxed);
  note_expiry(ref, parts.meta.expires_at);
  return ref;
}

// Takes back the last record, which nobody has seen.
void Core::undo_append(Queue queue, Ref ref) {
  const std::uint32_t bytes = stored_bytes(shared_.index.record(ref));
  segment_of(ref).live_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  open_[static_cast<std::size_t>(queue)].used_bytes -= bytes;
}

std::uint64_t Core::item_bytes(const Record& record) const {
  return record.bytes() + (record.large() ? large_of(record)->value_bytes : 0);
}

void Core::count_item(const Record& record) {
  counters_.items.add(1);
  counters_.item_bytes.add(item_bytes(record));
  if (record.large()) counters_.large_items.add(1);
}

// After an item was unlinked or replaced. keep_large: its large value lives on in its successor.
void Core::retire_item(Ref ref, bool keep_large) {
  const Record record = shared_.index.record(ref);
  segment_of(ref).live_bytes.fetch_sub(stored_bytes(record), std::memory_order_relaxed);
  counters_.items.add(~std::uint64_t{0});
  counters_.item_bytes.add(0 - item_bytes(record));
  if (!record.large()) return;
  counters_.large_items.add(~std::uint64_t{0});
  if (keep_large) return;
  LargeValue* value = large_of(record);
  shared_.large_queues.remove(value);
  shared_.limbo.retire(value);
}

void Core::unlink(const Index::Home& home, const Index::Slot& slot) {
  const Ref ref = slot.ref();
  shared_.index.erase(home, slot);
  retire_item(ref, false);
}

void Core::replace(const Index::Slot& slot, Ref ref, bool keep_large) {
  const Ref old = slot.ref();
  shared_.index.replace(slot, ref);
  retire_item(old, keep_large);
}

// Under the lock: the slot of a key, after removing an item that is only left over.
Index::Slot Core::find_live(const Index::Home& home, std::string_view key, std::uint64_t hash,
                            const Now& now) {
  const Index::Slot slot = shared_.index.find(home, key, hash);
  if (!slot || is_live(shared_.index.record(slot.ref()), now)) return slot;
  unlink(home, slot);
  counters_.expired.add(1);
  return {};
}

}  // namespace minos::store
