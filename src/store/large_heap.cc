#include "store/large_heap.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace minos::store {

namespace {

constexpr std::uint64_t units_for(std::uint64_t bytes) {
  return (bytes + kUnitBytes - 1) / kUnitBytes;
}

// The first index >= from whose bit is set (or clear), or `end`.
std::uint32_t find_bit(const std::uint64_t* words, bool set, std::uint32_t from,
                       std::uint32_t end) {
  while (from < end) {
    const std::uint64_t word = (set ? words[from / 64] : ~words[from / 64]) >> (from % 64);
    if (word != 0) {
      return std::min(end, from + static_cast<std::uint32_t>(std::countr_zero(word)));
    }
    from = (from / 64 + 1) * 64;
  }
  return end;
}

void flip_bits(std::uint64_t* words, std::uint32_t from, std::uint32_t count) {
  for (std::uint32_t i = from; i < from + count; ++i) words[i / 64] ^= std::uint64_t{1} << (i % 64);
}

}  // namespace

LargeHeap::LargeHeap(Pool& pool) : pool_(pool) { lists_.fill(kNoSegment); }

void LargeHeap::link(SegmentId id) {
  Segment& segment = pool_.segment(id);
  const std::uint32_t list = segment.free_units;
  if (list == 0) return;
  segment.prev = kNoSegment;
  segment.next = lists_[list];
  if (segment.next != kNoSegment) pool_.segment(segment.next).prev = id;
  lists_[list] = id;
  occupied_[list / 64] |= std::uint64_t{1} << (list % 64);
}

void LargeHeap::unlink(SegmentId id) {
  const Segment& segment = pool_.segment(id);
  const std::uint32_t list = segment.free_units;
  if (list == 0) return;
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

// The segment in use with the most free units, among those with at most `below`.
SegmentId LargeHeap::fullest_free(std::uint32_t below) const {
  for (std::uint32_t list = below; list > 0; --list) {
    if (lists_[list] != kNoSegment) return lists_[list];
  }
  return kNoSegment;
}

SegmentId LargeHeap::emptiest(std::uint32_t units) {
  std::lock_guard lock(mutex_);
  const SegmentId id = fullest_free(kUnitsPerSegment);
  return id != kNoSegment && pool_.segment(id).free_units >= units ? id : kNoSegment;
}

// A segment for the next `units` of a value: whole segments for what fills them, the best fit for
// the rest, and when neither is to be had whatever has the most room.
SegmentId LargeHeap::choose(std::uint64_t units, std::uint32_t keep) {
  if (units < kUnitsPerSegment) {
    const std::uint32_t list =
        find_bit(occupied_.data(), true, static_cast<std::uint32_t>(units), kLists);
    if (list < kLists) return lists_[list];
  }
  const SegmentId id = take_segment(keep);
  return id != kNoSegment ? id : fullest_free(kUnitsPerSegment);
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

LargeValue* LargeHeap::allocate(std::uint64_t value_bytes, std::uint64_t key_hash,
                                std::uint32_t keep) {
  std::lock_guard lock(mutex_);
  LargeValue* value = nullptr;
  Chunk* last = nullptr;
  std::uint64_t left = value_bytes;
  while (left > 0) {
    const std::uint32_t head = value == nullptr ? kHeadBytes : sizeof(Chunk);
    const std::uint64_t wanted = units_for(left + head);
    const SegmentId id = choose(wanted, keep);
    if (id == kNoSegment) {
      if (value != nullptr) free_chain(value);
      return nullptr;
    }
    std::uint32_t units = 0;
    const std::uint32_t unit = take_run(
        id, static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, kUnitsPerSegment)), units);
    if (value == nullptr) value = new (chunk_at(unit)) LargeValue;
    Chunk* chunk = value->chunk.payload_bytes == 0 ? &value->chunk : new (chunk_at(unit)) Chunk;
    chunk->payload_bytes = units * kUnitBytes - head;
    if (last != nullptr) last->next_unit = unit;
    last = chunk;
    left -= std::min<std::uint64_t>(left, chunk->payload_bytes);
  }
  value->value_bytes = value_bytes;
  value->key_hash = key_hash;
  return value;
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

void LargeHeap::copy(LargeValue* from, LargeValue* to, LargeCursor& cursor) const {
  LargeCursor source = begin(from);
  while (source.value_offset < from->value_bytes) {
    iovec part{};
    gather(from, source, from->value_bytes, {&part, 1});
    write(to, cursor,
          {static_cast<const char*>(part.iov_base), part.iov_len});
    advance(from, source, part.iov_len);
  }
}

}  // namespace minos::store
