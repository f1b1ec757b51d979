#include "store/large_heap.h"

#include <algorithm>
#include <cstring>

#include "base/bits.h"
#include "base/check.h"

namespace minos::store {

namespace {

// Remainders of segments are used, though it cuts values into more pieces, when they are more than
// one part in this many of all segments, and as long as one has this many free units.
constexpr std::uint64_t kRemainderShare = 64;
constexpr std::uint32_t kRemainderUnitsMin = 8;

// Where free memory is in small pieces, a growing value gets that many at once.
constexpr std::uint32_t kChunksPerGrowth = 128;

constexpr std::uint64_t units_for(std::uint64_t bytes) {
  return (bytes + kUnitBytes - 1) / kUnitBytes;
}

void flip_bits(std::uint64_t* words, std::uint32_t from, std::uint32_t count) {
  for (std::uint32_t i = from; i < from + count; ++i) words[i / 64] ^= std::uint64_t{1} << (i % 64);
}

}  // namespace

LargeHeap::LargeHeap(Pool& pool) : pool_(pool) {
  lists_.fill(kNoSegment);
}

void LargeHeap::link(SegmentId id) {
  Segment& segment = pool_.segment(id);
  const std::uint32_t list = segment.free_units;
  if (list == 0 || id == emptying_) return;
  segment.prev = kNoSegment;
  segment.next = lists_[list];
  if (segment.next != kNoSegment) pool_.segment(segment.next).prev = id;
  lists_[list] = id;
  occupied_[list / 64] |= std::uint64_t{1} << (list % 64);
}

void LargeHeap::unlink(SegmentId id) {
  const Segment& segment = pool_.segment(id);
  const std::uint32_t list = segment.free_units;
  if (list == 0 || id == emptying_) return;
  if (segment.prev == kNoSegment) {
    lists_[list] = segment.next;
  } else {
    pool_.segment(segment.prev).next = segment.next;
  }
  if (segment.next != kNoSegment) pool_.segment(segment.next).prev = segment.prev;
  if (lists_[list] == kNoSegment) occupied_[list / 64] &= ~(std::uint64_t{1} << (list % 64));
}

SegmentId LargeHeap::take_segment(std::uint32_t keep) {
  const SegmentId id = pool_.take(keep);
  if (id == kNoSegment) return id;
  Segment& segment = pool_.segment(id);
  segment.use.store(SegmentUse::kLarge, std::memory_order_relaxed);
  segment.free_units = kUnitsPerSegment;
  std::fill(std::begin(segment.free_map), std::end(segment.free_map), ~std::uint64_t{0});
  segments_.store(segments() + 1, std::memory_order_relaxed);
  free_units_.store(free_units() + kUnitsPerSegment, std::memory_order_relaxed);
  link(id);
  return id;
}

SegmentId LargeHeap::roomiest() const {
  for (std::uint32_t list = kUnitsPerSegment; list > 0; --list) {
    if (lists_[list] != kNoSegment) return lists_[list];
  }
  return kNoSegment;
}

void LargeHeap::end_emptying() {
  const SegmentId id = emptying_;
  emptying_ = kNoSegment;
  if (id != kNoSegment) link(id);
}

std::size_t LargeHeap::begin_emptying(std::uint32_t free_units_min, std::span<Tenant> tenants) {
  std::lock_guard lock(mutex_);
  end_emptying();
  const SegmentId id = roomiest();
  if (id == kNoSegment || pool_.segment(id).free_units < free_units_min) return 0;
  unlink(id);
  emptying_ = id;
  std::size_t count = 0;
  const Segment& segment = pool_.segment(id);
  std::uint32_t at = 0;
  while ((at = find_bit(segment.free_map, false, at, kUnitsPerSegment)) < kUnitsPerSegment) {
    const std::uint32_t unit = id * kUnitsPerSegment + at;
    const Chunk* chunk = chunk_at(unit);
    if (count < tenants.size()) {
      tenants[count++] = {chunk->first_unit, value_at(chunk->first_unit)->key_hash};
    }
    const std::uint32_t head = chunk->first_unit == unit ? kHeadBytes : sizeof(Chunk);
    at += (chunk->payload_bytes + head) / kUnitBytes;
  }
  return count;
}

// A segment for the next `units` of a value: whole segments for what fills them, the best fit for
// the rest. When neither is to be had, or much is lying idle in remainders, whatever has the most
// room: the value is in more pieces then.
SegmentId LargeHeap::choose(std::uint64_t units, std::uint32_t keep) {
  if (units < kUnitsPerSegment) {
    const std::uint32_t list =
        find_bit(occupied_.data(), true, static_cast<std::uint32_t>(units), kLists);
    if (list < kLists) return lists_[list];
  }
  const SegmentId roomy = roomiest();
  const bool use_remainders =
      roomy != kNoSegment && pool_.segment(roomy).free_units >= kRemainderUnitsMin &&
      free_units() > units + segments() * std::uint64_t{kUnitsPerSegment} / kRemainderShare;
  if (use_remainders) return roomy;
  const SegmentId id = take_segment(keep);
  if (id != kNoSegment) return id;
  if (roomy == kNoSegment && keep != kNoNewSegments) end_emptying();
  return roomiest();
}

// Takes the first free run of a segment, at most units_max of it.
std::uint32_t LargeHeap::take_run(SegmentId id, std::uint32_t units_max, std::uint32_t& units) {
  Segment& segment = pool_.segment(id);
  const std::uint32_t first = find_bit(segment.free_map, true, 0, kUnitsPerSegment);
  const std::uint32_t end = find_bit(segment.free_map, false, first, kUnitsPerSegment);
  units = std::min(end - first, units_max);
  flip_bits(segment.free_map, first, units);
  unlink(id);
  segment.free_units = static_cast<std::uint16_t>(segment.free_units - units);
  free_units_.store(free_units() - units, std::memory_order_relaxed);
  link(id);
  return id * kUnitsPerSegment + first;
}

void LargeHeap::free_run(std::uint32_t unit, std::uint32_t units) {
  const SegmentId id = unit / kUnitsPerSegment;
  Segment& segment = pool_.segment(id);
  flip_bits(segment.free_map, unit % kUnitsPerSegment, units);
  unlink(id);
  segment.free_units = static_cast<std::uint16_t>(segment.free_units + units);
  free_units_.store(free_units() + units, std::memory_order_relaxed);
  if (segment.free_units < kUnitsPerSegment) {
    link(id);
    return;
  }
  segments_.store(segments() - 1, std::memory_order_relaxed);
  free_units_.store(free_units() - kUnitsPerSegment, std::memory_order_relaxed);
  if (id == emptying_) emptying_ = kNoSegment;
  pool_.give(id);
}

void LargeHeap::free_chain(LargeValue* value) {
  std::uint32_t unit = unit_of(value);
  while (unit != 0) {
    const Chunk chunk = *chunk_at(unit);
    const std::uint32_t head = unit == unit_of(value) ? kHeadBytes : sizeof(Chunk);
    free_run(unit, (chunk.payload_bytes + head) / kUnitBytes);
    unit = chunk.next_unit;
  }
}

bool LargeHeap::add_chunk(Growth& growth, std::uint32_t keep) {
  const std::uint32_t head = growth.value == nullptr ? kHeadBytes : sizeof(Chunk);
  const std::uint64_t left = growth.value_bytes - growth.end.value_offset;
  const std::uint64_t wanted = units_for(left + head);
  const SegmentId id = choose(wanted, keep);
  if (id == kNoSegment) return false;
  std::uint32_t units = 0;
  const std::uint32_t unit = take_run(
      id, static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, kUnitsPerSegment)), units);
  Chunk* chunk = nullptr;
  if (growth.value == nullptr) {
    growth.value = new (chunk_at(unit)) LargeValue;
    growth.value->value_bytes = growth.value_bytes;
    growth.value->key_hash = growth.key_hash;
    chunk = &growth.value->chunk;
  } else {
    chunk = new (chunk_at(unit)) Chunk;
    static_cast<Chunk*>(growth.end.chunk)->next_unit = unit;
  }
  chunk->payload_bytes = units * kUnitBytes - head;
  chunk->first_unit = unit_of(growth.value);
  growth.end.chunk = chunk;
  growth.end.value_offset += std::min<std::uint64_t>(left, chunk->payload_bytes);
  return true;
}

bool LargeHeap::grow(Growth& growth, std::uint64_t bytes_max, std::uint32_t keep) {
  std::lock_guard lock(mutex_);
  const std::uint64_t before = growth.end.value_offset;
  for (std::uint32_t i = 0; i < kChunksPerGrowth && !growth.complete(); ++i) {
    if (growth.end.value_offset - before >= bytes_max || !add_chunk(growth, keep)) break;
  }
  return growth.end.value_offset != before;
}

LargeValue* LargeHeap::allocate(std::uint64_t value_bytes, std::uint64_t key_hash,
                                std::uint32_t keep) {
  std::lock_guard lock(mutex_);
  Growth growth{nullptr, value_bytes, key_hash, {}};
  while (!growth.complete()) {
    if (add_chunk(growth, keep)) continue;
    if (growth.value != nullptr) free_chain(growth.value);
    return nullptr;
  }
  return growth.value;
}

void LargeHeap::release(LargeValue* value) {
  std::lock_guard lock(mutex_);
  free_chain(value);
}

void LargeHeap::advance(const LargeValue* value, LargeCursor& cursor, std::uint64_t bytes) const {
  cursor.value_offset += bytes;
  CHECK(cursor.value_offset <= value->value_bytes);
  cursor.chunk_offset += bytes;
  const Chunk* chunk = static_cast<const Chunk*>(cursor.chunk);
  while (cursor.chunk_offset >= chunk->payload_bytes && chunk->next_unit != 0) {
    cursor.chunk_offset -= chunk->payload_bytes;
    cursor.chunk = chunk_at(chunk->next_unit);
    chunk = static_cast<const Chunk*>(cursor.chunk);
  }
}

std::size_t LargeHeap::gather(const LargeValue* value, LargeCursor cursor, std::uint64_t bytes_max,
                              std::span<iovec> out) const {
  std::size_t used = 0;
  std::uint64_t left = std::min(bytes_max, value->value_bytes - cursor.value_offset);
  while (left > 0 && used < out.size()) {
    const Chunk* chunk = static_cast<const Chunk*>(cursor.chunk);
    const std::uint64_t bytes = std::min(left, chunk->payload_bytes - cursor.chunk_offset);
    out[used++] = {payload(value, cursor.chunk) + cursor.chunk_offset, bytes};
    left -= bytes;
    advance(value, cursor, bytes);
  }
  return used;
}

void LargeHeap::write(LargeValue* value, LargeCursor& cursor, std::string_view bytes) const {
  while (!bytes.empty()) {
    iovec part{};
    const std::size_t parts = gather(value, cursor, bytes.size(), {&part, 1});
    CHECK(parts == 1);
    std::memcpy(part.iov_base, bytes.data(), part.iov_len);
    advance(value, cursor, part.iov_len);
    bytes.remove_prefix(part.iov_len);
  }
}

std::uint64_t LargeHeap::copy(LargeValue* from, LargeCursor& read, LargeValue* to,
                              LargeCursor& write_at, std::uint64_t bytes_max) const {
  std::uint64_t copied = 0;
  while (copied < bytes_max && read.value_offset < from->value_bytes) {
    iovec part{};
    gather(from, read, bytes_max - copied, {&part, 1});
    write(to, write_at, {static_cast<const char*>(part.iov_base), part.iov_len});
    advance(from, read, part.iov_len);
    copied += part.iov_len;
  }
  return copied;
}

}  // namespace minos::store
