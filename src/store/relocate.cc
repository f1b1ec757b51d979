#include <array>

#include "store/core.h"

// Compaction of large values: copies those that have chunks in a nearly empty segment, so that the
// segment becomes free.
namespace minos::store {

namespace {

// Worth it when that share of the memory of large values lies idle, in segments that are at least
// half empty. When nothing may be evicted: as soon as one segment can be gained.
constexpr std::uint64_t kIdleShare = 16;
constexpr std::uint32_t kFreeUnitsMin = kUnitsPerSegment / 2;
constexpr std::uint32_t kFreeUnitsMinUrgent = kUnitsPerSegment / 8;

constexpr std::size_t kTenantsMax = 64;

}  // namespace

// Returns the bytes copied.
std::uint64_t Core::empty_large_segment(bool thorough) {
  const std::uint64_t idle = shared_.heap.free_units();
  const std::uint64_t all = shared_.heap.segments() * std::uint64_t{kUnitsPerSegment};
  if (idle < 2 * kUnitsPerSegment || (!thorough && idle < all / kIdleShare)) return 0;
  std::array<LargeHeap::Tenant, kTenantsMax> tenants;
  const std::size_t count =
      shared_.heap.begin_emptying(thorough ? kFreeUnitsMinUrgent : kFreeUnitsMin, tenants);
  std::uint64_t copied = 0;
  for (std::size_t i = 0; i < count; ++i) {
    copied += relocate(tenants[i].first_unit, tenants[i].key_hash);
  }
  return copied;
}

// Copies one value to other chunks, if it is published. Returns its size, 0 if it stays.
std::uint64_t Core::relocate(std::uint32_t unit, std::uint64_t hash) {
  // Under the lock only long enough to hold on to the value.
  Index::Home home = shared_.index.lock(hash);
  Index::Slot slot = shared_.index.find_large(home, unit, hash);
  if (!slot) {
    shared_.index.unlock(home);
    return 0;
  }
  LargeValue* value = shared_.heap.value_at(unit);
  LargeHeap::add_reference(value);
  const std::uint32_t record_bytes = stored_bytes(shared_.index.record(slot.ref()));
  const Queue queue = segment_of(slot.ref()).queue.load(std::memory_order_relaxed);
  shared_.index.unlock(home);

  const std::uint64_t value_bytes = value->value_bytes;
  std::uint64_t done = 0;
  const bool room = has_room(queue, record_bytes) || open_segment(queue, 0);
  LargeValue* copy =
      room ? shared_.heap.allocate(value_bytes, hash, LargeHeap::kNoNewSegments) : nullptr;
  if (copy != nullptr) {
    LargeCursor cursor = LargeHeap::begin(copy);
    shared_.heap.copy(value, copy, cursor);
    home = shared_.index.lock(hash);
    slot = shared_.index.find_large(home, unit, hash);
    // Another record of the same value may be there by now, and be longer.
    if (slot && stored_bytes(shared_.index.record(slot.ref())) <= record_bytes) {
      move_record(slot, queue, shared_.index.record(slot.ref()).uses(), shared_.heap.unit_of(copy));
      shared_.large_queues.replace(value, copy, shared_.log.stamp(value_bytes));
      shared_.limbo.retire(value);
      done = value_bytes;
    }
    shared_.index.unlock(home);
    if (done == 0) shared_.heap.drop_reference(copy);
  }
  shared_.heap.drop_reference(value);
  return done;
}

}  // namespace minos::store
