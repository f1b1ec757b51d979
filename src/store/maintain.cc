#include <algorithm>

#include "base/hash.h"
#include "store/core.h"

namespace minos::store {

namespace {

// Segment headers looked at for expired items in one call.
constexpr std::uint32_t kHeadersPerCall = 256;

// Converts a budget of records to bytes of segments.
constexpr std::uint32_t kBytesPerRecord = 128;

}  // namespace

std::uint32_t Core::maintain(const Now& now, std::uint32_t budget) {
  begin(now);
  quiesce_if_unused();
  if (!shared_.limbo.empty()) shared_.limbo.collect(false);
  std::uint32_t done = 0;
  if (victim_.id != kNoSegment || move_.from != nullptr || is_short(Pace::kForRecords)) {
    done = clean(budget * kBytesPerRecord, Pace::kForRecords, now);
  }
  if (done < budget) done += sweep(now, budget - done);
  return done;
}

// Removes expired and flushed items, from segments that may have some: one pass over all segments
// for each second that passes.
std::uint32_t Core::sweep(const Now& now, std::uint32_t budget) {
  const SegmentId segments = shared_.pool->segments();
  std::uint32_t done = 0;
  for (std::uint32_t looked = 0; looked < kHeadersPerCall && done < budget; ++looked) {
    if (sweep_.id == kNoSegment) {
      if (shared_.sweep_at.load(std::memory_order_relaxed) >= segments) {
        if (shared_.sweep_begun.load(std::memory_order_relaxed) == now.unix_s) break;
        shared_.sweep_begun.store(now.unix_s, std::memory_order_relaxed);
        shared_.sweep_at.store(0, std::memory_order_relaxed);
      }
      const SegmentId id = shared_.sweep_at.fetch_add(1, std::memory_order_relaxed);
      if (id >= segments || !begin_sweep(id, now)) continue;
    }
    done += continue_sweep(now, budget - done);
  }
  return done;
}

bool Core::begin_sweep(SegmentId id, const Now& now) {
  Segment& segment = shared_.pool->segment(id);
  const bool expired = segment.first_expiry.load(std::memory_order_relaxed) <= now.unix_s;
  const bool own = id == open_[0].id || id == open_[1].id;
  const SegmentUse use = segment.use.load(std::memory_order_relaxed);
  if (!own && use != SegmentUse::kSealed) return false;
  if (!expired && segment.swept_flush.load(std::memory_order_relaxed) == shared_.flush.count()) {
    return false;
  }
  if (own) seal(id == open_[0].id ? Queue::kSmall : Queue::kMain);
  if (!shared_.log.begin_sweep(id)) return false;
  // From now on touched items are counted again.
  segment.first_expiry.store(~std::uint32_t{0}, std::memory_order_relaxed);
  segment.swept_flush.store(shared_.flush.count(), std::memory_order_relaxed);
  sweep_ = {id, segment.cleaned_bytes};
  return true;
}

std::uint32_t Core::continue_sweep(const Now& now, std::uint32_t budget) {
  const std::uint32_t end = shared_.pool->segment(sweep_.id).used_bytes;
  std::uint32_t done = 0;
  while (sweep_.at < end && done < budget) {
    const Ref ref =
        static_cast<Ref>((sweep_.id * kSegmentBytes + sweep_.at) >> shared_.granule.shift);
    const Record record = shared_.index.record(ref);
    sweep_.at += stored_bytes(record);
    ++done;
    if (is_live(record, now)) {
      if (record.has_expiry()) note_expiry(ref, record.expires_at());
      continue;
    }
    const std::uint64_t hash = hash_key(record.key());
    const Index::Home home = shared_.index.lock(hash);
    const Index::Slot slot = shared_.index.find(home, ref, hash);
    if (slot && !is_live(record, now)) {
      unlink(home, slot);
      counters_.expired.add(1);
    }
    shared_.index.unlock(home);
  }
  if (sweep_.at >= end) end_sweep();
  return done;
}

void Core::end_sweep() {
  if (sweep_.id == kNoSegment) return;
  if (sweep_.at < shared_.pool->segment(sweep_.id).used_bytes) {
    // Unfinished: due again.
    shared_.pool->segment(sweep_.id).first_expiry.store(0, std::memory_order_relaxed);
  }
  shared_.log.end_sweep(sweep_.id);
  sweep_ = {};
}

}  // namespace minos::store
