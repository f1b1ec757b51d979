#pragma once

#include <atomic>
#include <cstdint>

#include "base/units.h"

namespace minos::store {

// Memory is dealt out in segments: to the log of small items, to chunks of large values, to pages
// of the index. Any segment can serve any of them.
inline constexpr std::uint64_t kSegmentBytes = 256 * kKiB;

// Large values are cut from segments in units.
inline constexpr std::uint32_t kUnitBytes = 1024;
inline constexpr std::uint32_t kUnitsPerSegment = kSegmentBytes / kUnitBytes;

using SegmentId = std::uint32_t;
inline constexpr SegmentId kNoSegment = ~SegmentId{0};

// The two queues of S3-FIFO: new items pass through the small one, what was used again lives in
// the main one.
enum class Queue : std::uint8_t { kSmall, kMain };
inline constexpr std::size_t kQueues = 2;

enum class SegmentUse : std::uint8_t {
  kFree,
  kOpen,     // some core appends records
  kSealed,   // waits in its queue
  kSwept,    // waits in its queue while some core removes expired items
  kVictim,   // some core moves what is still wanted elsewhere
  kRetired,  // empty, but some core may still read there
  kLarge,    // chunks
  kOther,    // index, tables, withheld
};

// What is known about a segment, apart from its bytes so that looking for a victim does not touch
// them. Plain fields belong to the holder: the core that has it open or is cleaning it, otherwise
// whoever holds the mutex of the list that it is in.
struct alignas(2 * kCacheLineBytes) Segment {
  // Bytes of records that the index refers to. Any core; relaxed: a hint for choosing victims.
  std::atomic<std::uint32_t> live_bytes;
  // No record here expires before this. Lowered by any core, raised by the holder; relaxed: a hint
  // for the sweep, which checks each record.
  std::atomic<std::uint32_t> first_expiry;
  // Relaxed: which queue an overwritten item came from decides only where its successor goes.
  std::atomic<Queue> queue;
  // Relaxed for the scan for victims, which checks it again under the mutex of the log.
  std::atomic<SegmentUse> use;
  std::uint16_t free_units;     // large: number of set bits in free_map
  std::uint32_t used_bytes;     // log: end of the last record, final once sealed
  std::uint32_t cleaned_bytes;  // log: records before this are dead, cleaning stopped here
  SegmentId prev;
  SegmentId next;
  // Flushes whose items the sweep has removed from here. Relaxed, as first_expiry.
  std::atomic<std::uint32_t> swept_flush;
  std::uint64_t stamp;  // log: position in time when opened; retired: epoch
  alignas(kCacheLineBytes) std::uint64_t free_map[kUnitsPerSegment / 64];  // large: bit = free unit
};
static_assert(sizeof(Segment) == 128);

}  // namespace minos::store
