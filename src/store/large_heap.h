#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "store/kv_store.h"
#include "store/pool.h"
#include "store/segment.h"

namespace minos {

namespace store {

// Starts a run of units that belongs to one value.
struct Chunk {
  std::uint32_t next_unit = 0;  // of the pool; 0 = the last
  std::uint32_t payload_bytes = 0;
  std::uint32_t first_unit = 0;  // where its value begins
  std::uint32_t unused = 0;
};

}  // namespace store

// At the start of the first chunk of a value; the payload follows it.
//
// References: the index holds one, from publication until no core can have an ItemRef to it any
// more, which is after the grace period that follows its unlinking. So a core may turn an ItemRef
// that is still valid into a PinnedValue by adding one: the count cannot be zero. Whoever drops the
// last one frees the chunks.
struct LargeValue {
  store::Chunk chunk;
  std::atomic<std::uint32_t> references{1};
  store::Queue queue = store::Queue::kSmall;  // this and the links: guarded by LargeQueues
  bool queued = false;
  std::uint64_t value_bytes = 0;
  std::uint64_t key_hash = 0;
  std::uint64_t stamp = 0;  // position in time when queued, or epoch when retired
  LargeValue* prev = nullptr;
  LargeValue* next = nullptr;
};
static_assert(sizeof(LargeValue) == 64);

namespace store {

// Memory of large values: chains of chunks, each a run of free units of some segment. Any free
// units can serve any value, so a value fits whenever enough of them are free.
//
// Any thread.
class LargeHeap {
 public:
  explicit LargeHeap(Pool& pool);

  // nullptr unless there is enough free in segments in use and beyond `keep` free ones. With
  // kNoNewSegments: in segments in use that are not being emptied.
  static constexpr std::uint32_t kNoNewSegments = ~0U;
  LargeValue* allocate(std::uint64_t value_bytes, std::uint64_t key_hash, std::uint32_t keep);

  // A value that gets its chunks little by little. Until it has all it is its owner's alone, who
  // may drop it as any other.
  struct Growth {
    LargeValue* value = nullptr;  // from the first chunk on
    std::uint64_t value_bytes = 0;
    std::uint64_t key_hash = 0;
    LargeCursor end;  // of the chunks it has
    bool complete() const { return end.value_offset == value_bytes; }
  };
  // Adds chunks for about bytes_max, but not many; false if there is no memory for any.
  bool grow(Growth& growth, std::uint64_t bytes_max, std::uint32_t keep);
  void release(LargeValue* value);

  static void add_reference(LargeValue* value) {
    // Relaxed: whoever adds one already holds, or is protected by, another.
    value->references.fetch_add(1, std::memory_order_relaxed);
  }
  void drop_reference(LargeValue* value) {
    // Release: our reads are over before the memory is reused; acquire: so are everybody's.
    if (value->references.fetch_sub(1, std::memory_order_acq_rel) == 1) release(value);
  }

  LargeValue* value_at(std::uint32_t unit) const {
    return reinterpret_cast<LargeValue*>(pool_.base() + unit * std::uint64_t{kUnitBytes});
  }
  std::uint32_t unit_of(const void* chunk) const {
    return static_cast<std::uint32_t>(pool_.offset_of(chunk) / kUnitBytes);
  }

  // Where the payload of a chunk begins.
  static char* payload(const LargeValue* value, void* chunk) {
    return static_cast<char*>(chunk) +
           (chunk == static_cast<const void*>(value) ? kHeadBytes : sizeof(Chunk));
  }
  static LargeCursor begin(LargeValue* value) { return {value, 0, 0}; }
  void advance(const LargeValue* value, LargeCursor& cursor, std::uint64_t bytes) const;
  std::size_t gather(const LargeValue* value, LargeCursor cursor, std::uint64_t bytes_max,
                     std::span<iovec> out) const;
  void write(LargeValue* value, LargeCursor& cursor, std::string_view bytes) const;
  // Copies up to bytes_max of one value to another, each from its cursor on; returns how much.
  std::uint64_t copy(LargeValue* from, LargeCursor& read, LargeValue* to, LargeCursor& write_at,
                     std::uint64_t bytes_max) const;

  // Relaxed snapshots, for reports and for deciding what to clean.
  std::uint32_t segments() const { return segments_.load(std::memory_order_relaxed); }
  std::uint64_t free_units() const { return free_units_.load(std::memory_order_relaxed); }

  // Whose chunks are in a segment.
  struct Tenant {
    std::uint32_t first_unit;
    std::uint64_t key_hash;
  };
  // Chooses the segment with the most free units, if it has at least that many, to be emptied:
  // new values go elsewhere as long as there is an elsewhere. Returns how many tenants it has, of
  // which as many as fit are put into `tenants`.
  std::size_t begin_emptying(std::uint32_t free_units_min, std::span<Tenant> tenants);

 private:
  static constexpr std::uint32_t kHeadBytes = 64;
  static constexpr std::uint32_t kLists = kUnitsPerSegment + 1;

  std::uint32_t take_run(SegmentId id, std::uint32_t units_max, std::uint32_t& units);
  void free_run(std::uint32_t unit, std::uint32_t units);
  void free_chain(LargeValue* value);
  bool add_chunk(Growth& growth, std::uint32_t keep);
  SegmentId choose(std::uint64_t units, std::uint32_t keep);
  SegmentId take_segment(std::uint32_t keep);
  SegmentId roomiest() const;  // in use, with the most free units
  void end_emptying();
  void link(SegmentId id);
  void unlink(SegmentId id);
  Chunk* chunk_at(std::uint32_t unit) const {
    return reinterpret_cast<Chunk*>(pool_.base() + unit * std::uint64_t{kUnitBytes});
  }

  Pool& pool_;
  std::mutex mutex_;  // guards what follows and the large fields of segment headers
  // Segments by their number of free units, and a bit per list that is not empty. Full segments
  // are in no list.
  std::array<SegmentId, kLists> lists_;
  std::array<std::uint64_t, (kLists + 63) / 64> occupied_{};
  SegmentId emptying_ = kNoSegment;  // in no list
  std::atomic<std::uint32_t> segments_{0};
  std::atomic<std::uint64_t> free_units_{0};
};

}  // namespace store
}  // namespace minos
