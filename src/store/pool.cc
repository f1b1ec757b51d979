#include "store/pool.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace minos::store {

namespace {

constexpr std::uint64_t kHugePageBytes = 2 * kMiB;
constexpr std::uint64_t kPageBytes = 4 * kKiB;

// As much free memory is faulted in ahead of use, or that part of the mapping if it is less. At
// 1 GB/s the first is used up in 64 ms.
constexpr std::uint64_t kPrefaultedBytes = 64 * kMiB;
constexpr std::uint32_t kPrefaultedShare = 8;

// Below this many free segments, all are left to the request path.
constexpr std::uint32_t kPrefaultKeepsFree = 4;

constexpr std::uint64_t round_up(std::uint64_t n, std::uint64_t step) {
  return (n + step - 1) / step * step;
}

constexpr std::uint64_t segments_for(std::uint64_t bytes) {
  return round_up(bytes, kSegmentBytes) / kSegmentBytes;
}

// A mapping aligned to huge pages, cut out of a larger one.
char* map_aligned(std::uint64_t bytes) {
  const std::uint64_t wide = bytes + kHugePageBytes;
  void* raw = mmap(nullptr, wide, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char* start = static_cast<char*>(raw);
  const auto address = reinterpret_cast<std::uintptr_t>(raw);
  const std::uint64_t skip = round_up(address, kHugePageBytes) - address;
  if (skip != 0) munmap(start, skip);
  const std::uint64_t tail = wide - skip - bytes;
  if (tail != 0) munmap(start + skip + bytes, tail);
  return start + skip;
}

}  // namespace

std::expected<std::unique_ptr<Pool>, std::string> Pool::create(std::uint64_t memory_bytes,
                                                               std::uint64_t fixed_bytes) {
  std::unique_ptr<Pool> pool(new Pool);
  pool->segments_ = static_cast<SegmentId>(memory_bytes / kSegmentBytes);
  pool->headers_bytes_ = round_up(pool->segments_ * sizeof(Segment), 4096);
  const std::uint64_t fixed = segments_for(pool->headers_bytes_ + fixed_bytes);
  CHECK(fixed < pool->segments_);
  pool->mapped_bytes_ = pool->segments_ * kSegmentBytes;
  pool->base_ = map_aligned(pool->mapped_bytes_);
  if (pool->base_ == nullptr) {
    return std::unexpected(fmt::format("cannot map {} bytes of memory for items: {}",
                                       pool->mapped_bytes_, std::strerror(errno)));
  }
  // Fewer TLB misses; the store works without, so a refusal is no error.
  (void)madvise(pool->base_, pool->mapped_bytes_, MADV_HUGEPAGE);
  pool->headers_ = reinterpret_cast<Segment*>(pool->base_);
  for (SegmentId id = 0; id < pool->segments_; ++id) new (&pool->headers_[id]) Segment{};
  pool->fixed_segments_ = static_cast<SegmentId>(fixed);
  for (SegmentId id = 0; id < pool->fixed_segments_; ++id) {
    pool->headers_[id].use.store(SegmentUse::kOther, std::memory_order_relaxed);
  }
  pool->untouched_ = pool->fixed_segments_;
  pool->free_count_ = pool->segments_ - pool->fixed_segments_;
  return pool;
}

Pool::~Pool() {
  if (base_ != nullptr) munmap(base_, mapped_bytes_);
}

SegmentId Pool::pop_free() {
  SegmentId id = kNoSegment;
  if (warm_ != kNoSegment) {
    id = warm_;
    warm_ = headers_[id].next;
    --warm_count_;
  } else if (untouched_ < segments_) {
    id = untouched_++;
  } else if (cold_ != kNoSegment) {
    id = cold_;
    cold_ = headers_[id].next;
  } else {
    return kNoSegment;
  }
  free_count_.store(free_segments() - 1, std::memory_order_relaxed);
  return id;
}

void Pool::push_free(SegmentId id, bool cold) {
  Segment& segment = headers_[id];
  segment.use.store(SegmentUse::kFree, std::memory_order_relaxed);
  SegmentId& head = cold ? cold_ : warm_;
  segment.next = head;
  head = id;
  if (!cold) ++warm_count_;
  free_count_.store(free_segments() + 1, std::memory_order_relaxed);
}

SegmentId Pool::pop_cold() {
  if (cold_ == kNoSegment && untouched_ == segments_) return pop_free();
  const SegmentId warm = warm_;
  warm_ = kNoSegment;
  const SegmentId id = pop_free();
  warm_ = warm;
  return id;
}

SegmentId Pool::take(std::uint32_t keep) {
  std::lock_guard lock(mutex_);
  if (free_segments() <= std::uint64_t{keep} + kept_for_outside()) return kNoSegment;
  return pop_free();
}

void Pool::give(SegmentId id) {
  std::lock_guard lock(mutex_);
  push_free(id, false);
}

void Pool::return_to_system(SegmentId id) {
  // Not a huge page any more, lest the system fill the hole again when it gathers huge pages.
  (void)madvise(bytes_of(id), kSegmentBytes, MADV_NOHUGEPAGE);
  (void)madvise(bytes_of(id), kSegmentBytes, MADV_DONTNEED);
}

bool Pool::charge(std::uint64_t bytes, std::uint32_t keep) {
  std::lock_guard lock(mutex_);
  const std::uint64_t needed = segments_for(outside_bytes() + bytes);
  const std::uint64_t extra = needed > withheld_segments() ? needed - withheld_segments() : 0;
  const std::uint64_t left = extra > kept_for_outside() ? keep : 0;
  if (extra != 0 && free_segments() < extra + left) return false;
  for (std::uint64_t i = 0; i < extra; ++i) {
    // Cold memory first: it has to be faulted in before use, warm memory has not.
    const SegmentId id = pop_cold();
    return_to_system(id);
    headers_[id].use.store(SegmentUse::kOther, std::memory_order_relaxed);
    headers_[id].next = empty_;
    empty_ = id;
  }
  withheld_.store(static_cast<std::uint32_t>(withheld_segments() + extra),
                  std::memory_order_relaxed);
  outside_bytes_.store(outside_bytes() + bytes, std::memory_order_relaxed);
  CHECK(outside_bytes() <= withheld_segments() * kSegmentBytes);
  return true;
}

void Pool::release(std::uint64_t bytes) {
  std::lock_guard lock(mutex_);
  CHECK(bytes <= outside_bytes());
  outside_bytes_.store(outside_bytes() - bytes, std::memory_order_relaxed);
  while (withheld_segments() > segments_for(outside_bytes())) {
    const SegmentId id = empty_;
    empty_ = headers_[id].next;
    withheld_.store(withheld_segments() - 1, std::memory_order_relaxed);
    (void)madvise(bytes_of(id), kSegmentBytes, MADV_HUGEPAGE);
    push_free(id, true);
  }
}

Pool::Use Pool::use() {
  std::lock_guard lock(mutex_);
  return {(segments_ - free_segments()) * kSegmentBytes, outside_bytes(),
          withheld_segments() * kSegmentBytes};
}

std::uint64_t Pool::prefault(std::uint64_t bytes_max) {
  const std::uint64_t wanted = std::min(kPrefaultedBytes, mapped_bytes_ / kPrefaultedShare);
  std::uint64_t done = 0;
  while (done < bytes_max) {
    SegmentId id = kNoSegment;
    {
      // Taken while it is touched, so that nobody else writes there.
      std::lock_guard lock(mutex_);
      if (warm_count_ * kSegmentBytes >= wanted) return done;
      if (untouched_ == segments_ && cold_ == kNoSegment) return done;
      if (free_segments() <= kPrefaultKeepsFree + kept_for_outside()) return done;
      id = pop_cold();
    }
    char* bytes = bytes_of(id);
    for (std::uint64_t at = 0; at < kSegmentBytes; at += kPageBytes) bytes[at] = 0;
    done += kSegmentBytes;
    give(id);
  }
  return done;
}

}  // namespace minos::store
