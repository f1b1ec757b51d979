#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "store/segment.h"

namespace minos::store {

// All memory of one store: a single mapping as large as the limit, cut into segments.
//
// Invariants:
// 1. The mapping never exceeds the limit, so neither do segments in use.
// 2. Memory outside (connection buffers, the directory of the index) is paid for with segments of
//    the mapping that are kept empty and given back to the system: withheld * kSegmentBytes >=
//    outside bytes, always.
// 3. A segment is free, withheld, or held by whoever took it.
// 4. Free and withheld segments together are never fewer than the floor: a store that is full still
//    has buffers for connections, so that they can at least delete.
//
// Any thread.
class Pool {
 public:
  // `fixed_bytes` at the start of the mapping are the caller's for good, zeroed.
  static std::expected<std::unique_ptr<Pool>, std::string> create(std::uint64_t memory_bytes,
                                                                  std::uint64_t fixed_bytes);
  // Before first use.
  void set_outside_floor(std::uint32_t segments) { outside_floor_ = segments; }
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  char* base() const { return base_; }
  char* fixed() const { return base_ + headers_bytes_; }
  SegmentId segments() const { return segments_; }
  SegmentId fixed_segments() const { return fixed_segments_; }
  Segment& segment(SegmentId id) const { return headers_[id]; }
  char* bytes_of(SegmentId id) const { return base_ + id * kSegmentBytes; }
  SegmentId segment_at(std::uint64_t offset) const {
    return static_cast<SegmentId>(offset / kSegmentBytes);
  }
  std::uint64_t offset_of(const void* p) const {
    return static_cast<std::uint64_t>(static_cast<const char*>(p) - base_);
  }

  // A free segment, or kNoSegment when no more than `keep` are left beyond those of the floor.
  SegmentId take(std::uint32_t keep);
  void give(SegmentId id);

  // Accounts for memory outside, if that leaves `keep` segments free or stays within the floor.
  bool charge(std::uint64_t bytes, std::uint32_t keep);
  void release(std::uint64_t bytes);

  // Relaxed: a snapshot that decides how eager cleaning is.
  std::uint32_t free_segments() const { return free_count_.load(std::memory_order_relaxed); }
  // Of the free segments, those that are for memory outside only.
  std::uint32_t kept_for_outside() const {
    const std::uint32_t withheld = withheld_segments();
    return outside_floor_ > withheld ? outside_floor_ - withheld : 0;
  }

  // What is in use, of one moment.
  struct Use {
    std::uint64_t bytes;          // all segments but the free ones
    std::uint64_t outside_bytes;  // charged
    std::uint64_t withheld_bytes;
  };
  Use use();

  // Faults in free memory, up to bytes_max and until enough of it is ready for use; returns how
  // much.
  std::uint64_t prefault(std::uint64_t bytes_max);

 private:
  Pool() = default;
  SegmentId pop_free();
  SegmentId pop_cold();
  void push_free(SegmentId id, bool cold);
  void return_to_system(SegmentId id);
  std::uint64_t outside_bytes() const { return outside_bytes_.load(std::memory_order_relaxed); }
  std::uint32_t withheld_segments() const { return withheld_.load(std::memory_order_relaxed); }

  char* base_ = nullptr;
  std::uint64_t mapped_bytes_ = 0;
  std::uint64_t headers_bytes_ = 0;
  Segment* headers_ = nullptr;
  SegmentId segments_ = 0;
  SegmentId fixed_segments_ = 0;
  std::uint32_t outside_floor_ = 0;

  std::mutex mutex_;              // guards what follows, except for reading the counts
  SegmentId warm_ = kNoSegment;   // free list of memory in use before, or faulted in
  SegmentId cold_ = kNoSegment;   // free list of memory given back to the system
  SegmentId untouched_ = 0;       // from here on never used, all free
  SegmentId empty_ = kNoSegment;  // withheld segments
  std::uint32_t warm_count_ = 0;
  std::atomic<std::uint32_t> free_count_{0};
  std::atomic<std::uint32_t> withheld_{0};
  std::atomic<std::uint64_t> outside_bytes_{0};
};

}  // namespace minos::store
