#include "store/shared.h"

#include <algorithm>

namespace minos::store {

namespace {

// What the smallest store needs: tables, index and its directory, room for large values.
constexpr std::uint64_t kSegmentsMin = 7;

// Segments kept free: one in this many, for what is cleaned but not yet out of the last reader's
// sight.
constexpr std::uint32_t kAheadShare = 64;
constexpr std::uint32_t kAheadMin = 2;
constexpr std::uint32_t kAheadMax = 128;

// Segments that items leave to connection buffers: a block for each core, one for the directory of
// the index and one to spare; more where nothing can be evicted for them.
constexpr std::uint32_t kOutsideShare = 64;

std::uint32_t outside_floor(std::uint32_t segments, const StoreOptions& options) {
  const std::uint32_t least = options.cores + 2U;
  return options.evict ? least : std::max(least, segments / kOutsideShare);
}

std::uint32_t reserve_for(std::uint32_t segments, std::uint32_t cores) {
  return std::clamp(cores, 1U, std::max(2U, segments / kAheadShare));
}

}  // namespace

Shared::Shared(const StoreOptions& store_options, std::unique_ptr<Pool> store_pool)
    : options(store_options),
      pool(std::move(store_pool)),
      granule(Granule::for_memory(options.memory_bytes)),
      epochs(options.cores + 1U),
      heap(*pool),
      index(*pool, epochs, granule),
      log(*pool),
      ghost(pool->fixed(), options.memory_bytes),
      limbo(*pool, heap, index, epochs),
      reserve_segments(reserve_for(pool->segments(), options.cores)),
      ahead_segments(std::clamp(pool->segments() / kAheadShare, kAheadMin, kAheadMax)),
      limbo_slack_bytes(
          std::min(options.memory_bytes / 8, 2 * kMiB + options.cores * 2 * kSegmentBytes)) {
  pool->set_outside_floor(outside_floor(pool->segments(), options));
}

std::uint64_t Shared::memory_bytes_min(std::uint16_t cores) {
  // Two open segments for each core and for the service core, and a block of buffers for each core.
  return (kSegmentsMin + 2 * (cores + 1U) + cores + kAheadMin + 2) * kSegmentBytes;
}

void Shared::discard(LargeValue* draft, std::uint64_t value_bytes) {
  draft_bytes.fetch_sub(value_bytes, std::memory_order_relaxed);
  if (draft != nullptr) heap.drop_reference(draft);
}

}  // namespace minos::store
