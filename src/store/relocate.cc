#include <algorithm>
#include <array>

#include "store/core.h"

// Compaction of large values: copies those that have chunks in a nearly empty segment, so that the
// segment becomes free. Little by little: whoever stores something while memory is short pays for
// a few KiB of it.
namespace minos::store {

namespace {

// Worth it when that share of the memory of large values lies idle, in segments that are at least
// half empty. When nothing may be evicted: as soon as one segment can be gained.
constexpr std::uint64_t kIdleShare = 16;
constexpr std::uint32_t kFreeUnitsMin = kUnitsPerSegment / 2;
constexpr std::uint32_t kFreeUnitsMinUrgent = kUnitsPerSegment / 8;

// Longer values are left where they are: the segment that such a one fills in part is no more than
// the idle share of what it takes.
constexpr std::uint64_t kMovedBytesMax = kIdleShare * kSegmentBytes;

// At least so much is copied at once.
constexpr std::uint64_t kCopyMin = 4 * kKiB;

// After a segment none of whose values could be moved, so many calls do not look for another.
constexpr std::uint32_t kCallsBetweenLooks = 64;

}  // namespace

// Goes on with moving values out of a segment, or begins with one; copies about bytes_max. Returns
// the bytes copied, 0 if there is nothing to gain.
std::uint64_t Core::empty_large_segment(bool thorough, std::uint64_t bytes_max) {
  bytes_max = std::max(bytes_max, kCopyMin);
  if (move_.from == nullptr && tenants_left_ == 0) {
    if (looks_to_skip_ != 0) {
      --looks_to_skip_;
      return 0;
    }
    const std::uint64_t idle = shared_.heap.free_units();
    const std::uint64_t all = shared_.heap.segments() * std::uint64_t{kUnitsPerSegment};
    if (idle < 2 * kUnitsPerSegment || (!thorough && idle < all / kIdleShare)) return 0;
    tenants_left_ =
        shared_.heap.begin_emptying(thorough ? kFreeUnitsMinUrgent : kFreeUnitsMin, tenants_);
    looks_to_skip_ = kCallsBetweenLooks;
  }
  std::uint64_t copied = 0;
  while (copied < bytes_max && (move_.from != nullptr || tenants_left_ != 0)) {
    if (move_.from == nullptr && !begin_move(tenants_[--tenants_left_])) continue;
    looks_to_skip_ = 0;
    copied += shared_.heap.copy(move_.from, move_.read, move_.to, move_.write, bytes_max - copied);
    if (move_.read.value_offset == move_.from->value_bytes) end_move();
  }
  return copied;
}

// Prepares to copy one value to other chunks, if it is published and there are any.
bool Core::begin_move(const LargeHeap::Tenant& tenant) {
  // Under the lock only long enough to hold on to the value.
  const Index::Home home = shared_.index.lock(tenant.key_hash);
  const bool published =
      static_cast<bool>(shared_.index.find_large(home, tenant.first_unit, tenant.key_hash));
  LargeValue* const value = shared_.heap.value_at(tenant.first_unit);
  if (published) LargeHeap::add_reference(value);
  shared_.index.unlock(home);
  if (!published) return false;
  LargeValue* const copy =
      value->value_bytes > kMovedBytesMax
          ? nullptr
          : shared_.heap.allocate(value->value_bytes, tenant.key_hash, LargeHeap::kNoNewSegments);
  if (copy == nullptr) {
    shared_.heap.drop_reference(value);
    return false;
  }
  move_ = {value, copy, LargeHeap::begin(value), LargeHeap::begin(copy)};
  return true;
}

// The copy is complete: it takes the place of the value if that is still there.
void Core::end_move() {
  LargeValue* const value = move_.from;
  const Index::Home home = shared_.index.lock(value->key_hash);
  const Index::Slot slot =
      shared_.index.find_large(home, shared_.heap.unit_of(value), value->key_hash);
  if (slot) {
    const Queue queue = segment_of(slot.ref()).queue.load(std::memory_order_relaxed);
    const std::uint8_t uses = shared_.index.record(slot.ref()).uses();
    if (move_record(slot, queue, uses, shared_.heap.unit_of(move_.to))) {
      shared_.large_queues.replace(value, move_.to, shared_.log.stamp(value->value_bytes));
      shared_.limbo.retire(value);
      move_.to = nullptr;
    } else {
      // No room for records: what else is in the segment would be copied in vain too.
      tenants_left_ = 0;
      looks_to_skip_ = kCallsBetweenLooks;
    }
  }
  shared_.index.unlock(home);
  abandon_move();
}

void Core::abandon_move() {
  if (move_.from != nullptr) shared_.heap.drop_reference(move_.from);
  if (move_.to != nullptr) shared_.heap.drop_reference(move_.to);
  move_ = {};
}

}  // namespace minos::store
