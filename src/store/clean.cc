#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/hash.h"
#include "store/core.h"

// Making room: compaction of segments with dead records, and eviction in the order of S3-FIFO
// (Yang, Zhang, Qiu, Yue, Rashmi, SOSP 2023) over segments of small items and over large values.
namespace minos::store {

namespace {

// What of a segment must be dead to compact it rather than evict live items; and when nothing may
// be evicted: ahead of need, and before refusing a write.
constexpr std::uint32_t kDeadToCompact = kSegmentBytes / 4;
constexpr std::uint32_t kDeadToCompactUnevicted = kSegmentBytes / 8;
constexpr std::uint32_t kDeadToCompactUrgent = kSegmentBytes / 32;
constexpr std::uint32_t kScanSegments = 64;
constexpr std::uint32_t kScanSegmentsUrgent = 4096;

// An item leaves the small queue for the main one after this many uses.
constexpr std::uint8_t kUsesToPromote = 1;

// The small queue holds one part in this many of all item bytes.
constexpr std::uint64_t kSmallQueueParts = 10;

// No more of a segment of the main queue is kept, so that each one cleaned frees some memory.
constexpr std::uint32_t kKeptBytesMax = kSegmentBytes / 8 * 7;

// Records whose index entries are fetched together.
constexpr std::uint32_t kBatch = 16;

// Unsuccessful looks for dead segments are that many stored bytes apart.
constexpr std::uint32_t kBytesBetweenLooks = 32 * 1024;

}  // namespace

bool Core::relieve(std::uint64_t bytes_needed, const Now& now) {
  const auto free_bytes = [this] {
    return shared_.pool->free_segments() * kSegmentBytes + shared_.heap.free_units() * kUnitBytes;
  };
  quiesce_if_unused();
  const std::uint64_t before = free_bytes();
  shared_.limbo.collect(true);
  if (free_bytes() > before) return true;
  // Enough was freed already, it only waits for other cores (or for the caller to let go of its
  // ItemRefs); to free more would empty the store in vain.
  if (shared_.limbo.bytes() >= bytes_needed + shared_.limbo_slack_bytes) return false;
  if (clean(kSegmentBytes, Pace::kUrgent, now) != 0) return true;
  // What has expired or was flushed is dead, but counted as live until it is swept.
  return sweep(now, kRecordsPerClean) != 0;
}

// Cleans about that many bytes of segments, or kRecordsPerClean records if that is less; returns
// how many records that were.
std::uint32_t Core::clean(std::uint64_t bytes, Pace pace, const Now& now) {
  const bool urgent = pace == Pace::kUrgent;
  std::uint32_t records = 0;
  if (!urgent && bytes < look_in_bytes_) {
    look_in_bytes_ -= bytes;
    return 0;
  }
  look_in_bytes_ = 0;
  while (bytes > 0 && records < kRecordsPerClean) {
    if (victim_.id != kNoSegment) {
      const std::uint32_t done = clean_victim(bytes, kRecordsPerClean - records, now);
      records += done;
      if (victim_.id == kNoSegment && done == 0) break;
      continue;
    }
    const bool moving = move_.from != nullptr && pace != Pace::kForChunks;
    if (!urgent && !moving && !is_short(pace)) break;
    if (!moving && claim_dead(urgent)) continue;
    if (pace != Pace::kForChunks) {
      const std::uint64_t copied = empty_large_segment(urgent && !shared_.options.evict, bytes);
      bytes -= std::min(bytes, copied);
      if (copied != 0) {
        ++records;
        continue;
      }
    }
    const std::uint64_t evicted = shared_.options.evict ? evict_next(urgent, now) : 0;
    if (evicted == 0 && victim_.id == kNoSegment) {
      look_in_bytes_ = kBytesBetweenLooks;
      break;
    }
    if (evicted != 0) ++records;
    bytes -= std::min(bytes, evicted);
  }
  return records;
}

void Core::begin_victim(SegmentId id, Cause cause) {
  const Segment& segment = shared_.pool->segment(id);
  victim_ = {id, cause, segment.queue.load(std::memory_order_relaxed), segment.cleaned_bytes, 0};
}

void Core::put_back_victim() {
  if (victim_.id == kNoSegment) return;
  shared_.pool->segment(victim_.id).cleaned_bytes = victim_.at;
  shared_.log.put_back(victim_.id);
  victim_ = {};
}

bool Core::claim_dead(bool urgent) {
  std::uint32_t dead_min = kDeadToCompact;
  if (!shared_.options.evict) dead_min = urgent ? kDeadToCompactUrgent : kDeadToCompactUnevicted;
  const bool thorough = urgent && !shared_.options.evict;
  const SegmentId id =
      shared_.log.claim_deadest(dead_min, thorough ? kScanSegmentsUrgent : kScanSegments);
  if (id == kNoSegment) return false;
  begin_victim(id, Cause::kCompaction);
  return true;
}

bool Core::claim_oldest(Queue queue) {
  const SegmentId id = shared_.log.claim_oldest(queue);
  if (id == kNoSegment) return false;
  begin_victim(id, Cause::kEviction);
  return true;
}

Queue Core::queue_to_evict() const {
  const auto bytes = [this](Queue queue) {
    return shared_.log.segments(queue) * kSegmentBytes + shared_.large_queues.bytes(queue);
  };
  const std::uint64_t small = bytes(Queue::kSmall);
  return small * kSmallQueueParts > small + bytes(Queue::kMain) ? Queue::kSmall : Queue::kMain;
}

// Considers the oldest large value or claims the oldest segment, whichever is older, of the queue
// that is longer than it should be. Returns the bytes of the value.
std::uint64_t Core::evict_next(bool urgent, const Now& now) {
  const Queue first = queue_to_evict();
  const Queue second = first == Queue::kSmall ? Queue::kMain : Queue::kSmall;
  for (const Queue queue : {first, second}) {
    const bool large_first =
        shared_.large_queues.oldest_stamp(queue) < shared_.log.oldest_stamp(queue);
    if (large_first) {
      if (const std::uint64_t bytes = evict_large(queue, now); bytes != 0) return bytes;
    } else if (claim_oldest(queue)) {
      return 0;
    }
  }
  if (!urgent) return 0;
  for (const Queue queue : {first, second}) {
    if (open_[static_cast<std::size_t>(queue)].id == kNoSegment) continue;
    seal(queue);
    if (claim_oldest(queue)) return 0;
  }
  return 0;
}

std::uint64_t Core::evict_large(Queue queue, const Now& now) {
  LargeValue* value = shared_.large_queues.take_oldest(queue);
  if (value == nullptr) return 0;
  const std::uint64_t bytes = value->value_bytes;
  const std::uint64_t hash = value->key_hash;
  const Index::Home home = shared_.index.lock(hash);
  const Index::Slot slot = shared_.index.find_large(home, shared_.heap.unit_of(value), hash);
  if (slot) {
    Record record = shared_.index.record(slot.ref());
    const std::uint8_t uses = record.uses();
    const bool keep = queue == Queue::kSmall ? uses >= kUsesToPromote : uses > 0;
    if (!is_live(record, now)) {
      unlink(home, slot);
      counters_.expired.add(1);
    } else if (keep) {
      record.set_uses(queue == Queue::kSmall ? std::uint8_t{0}
                                             : static_cast<std::uint8_t>(uses - 1));
      shared_.large_queues.push(value, Queue::kMain, shared_.log.stamp(value->value_bytes));
    } else {
      evict(home, slot, hash, queue);
    }
  }
  shared_.index.unlock(home);
  return bytes;
}

void Core::evict(const Index::Home& home, const Index::Slot& slot, std::uint64_t hash, Queue from) {
  unlink(home, slot);
  counters_.evictions.add(1);
  if (from == Queue::kSmall) shared_.ghost.add(hash);
}

// Works on the victim until it is empty or that many bytes or about that many records are done.
// Ends without a victim and with 0 records if there is no memory to move records to.
std::uint32_t Core::clean_victim(std::uint64_t& bytes, std::uint32_t records_max, const Now& now) {
  struct Entry {
    Ref ref;
    std::uint32_t bytes;
    std::uint64_t hash;
  };
  std::array<Entry, kBatch> batch;
  std::uint32_t records = 0;
  const std::uint32_t end = shared_.pool->segment(victim_.id).used_bytes;
  while (bytes > 0 && records < records_max && victim_.at < end) {
    std::uint32_t count = 0;
    std::uint64_t offset = victim_.id * kSegmentBytes + victim_.at;
    const std::uint64_t end_offset = victim_.id * kSegmentBytes + end;
    for (; count < kBatch && offset < end_offset; ++count) {
      const Ref ref = static_cast<Ref>(offset >> shared_.granule.shift);
      const Record record = shared_.index.record(ref);
      batch[count] = {ref, stored_bytes(record), hash_key(record.key())};
      prefetch_bucket(batch[count].hash);
      offset += batch[count].bytes;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
      if (!clean_record(batch[i].ref, batch[i].hash, now)) {
        put_back_victim();
        return 0;
      }
      victim_.at += batch[i].bytes;
      bytes -= std::min<std::uint64_t>(bytes, batch[i].bytes);
      ++records;
    }
  }
  if (victim_.at >= end) {
    shared_.log.forget(victim_.id);
    shared_.limbo.retire(victim_.id);
    victim_ = {};
    ++records;
  }
  return records;
}

// false: there is no memory to move it to.
bool Core::clean_record(Ref ref, std::uint64_t hash, const Now& now) {
  const Index::Home home = shared_.index.lock(hash);
  const Index::Slot slot = shared_.index.find(home, ref, hash);
  bool done = true;
  if (slot) {
    if (is_live(shared_.index.record(ref), now)) {
      done = clean_live(home, slot, hash);
    } else {
      unlink(home, slot);
      counters_.expired.add(1);
    }
  }
  shared_.index.unlock(home);
  return done;
}

// Moves or evicts a live record of the victim.
bool Core::clean_live(const Index::Home& home, const Index::Slot& slot, std::uint64_t hash) {
  const Record record = shared_.index.record(slot.ref());
  const std::uint8_t uses = record.uses();
  Queue to = Queue::kMain;
  std::uint8_t uses_left = uses;
  bool keep = true;
  if (victim_.cause == Cause::kCompaction) {
    to = victim_.queue;
  } else if (record.large()) {
    // Evicted in the order of large values, not in that of its record.
  } else if (victim_.queue == Queue::kSmall) {
    keep = uses >= kUsesToPromote;
    uses_left = 0;
  } else {
    keep = uses > 0 && victim_.kept_bytes < kKeptBytesMax;
    uses_left = static_cast<std::uint8_t>(uses - 1);
  }
  if (keep && move_record(slot, to, uses_left, 0)) {
    victim_.kept_bytes += stored_bytes(record);
    return true;
  }
  if (!shared_.options.evict) return false;
  evict(home, slot, hash, victim_.queue);
  return true;
}

// large_unit: where the copy of its large value is, 0 if it keeps its value.
bool Core::move_record(const Index::Slot& slot, Queue to, std::uint8_t uses,
                       std::uint32_t large_unit) {
  const Ref from_ref = slot.ref();
  const Record from = shared_.index.record(from_ref);
  const std::uint32_t bytes = stored_bytes(from);
  // May use up the reserve: that is what it is for.
  if (!has_room(to, bytes) && !open_segment(to, 0)) return false;
  Ref ref = 0;
  Record record(begin_append(to, bytes, ref));
  record.copy_from(from, from.bytes(), uses);
  if (large_unit != 0) record.set_large_unit(large_unit);
  segment_of(ref).live_bytes.fetch_add(bytes, std::memory_order_relaxed);
  segment_of(from_ref).live_bytes.fetch_sub(bytes, std::memory_order_relaxed);
  note_expiry(ref, record.meta().expires_at);
  shared_.index.replace(slot, ref);
  return true;
}

}  // namespace minos::store
