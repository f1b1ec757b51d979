#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/limits.h"

namespace minos {

// A class of value sizes, in [0, kSizeClasses). Log-linear, 16 steps an octave: sizes below 32
// bytes have a class each, a larger class is at most 1/16 as wide as its smallest size.
using SizeClass = std::size_t;

inline constexpr unsigned kSizeStepBits = 4;
inline constexpr unsigned kSizeSteps = 1U << kSizeStepBits;
inline constexpr unsigned kSizeOctaves = 31 - kSizeStepBits;
inline constexpr SizeClass kSizeClasses = kSizeSteps * (kSizeOctaves + 1);

// Sizes of 2^31 bytes and more fall into the last class, as if they were as large as its bound.
constexpr SizeClass size_class_of(std::uint64_t value_bytes) {
  if (value_bytes < kSizeSteps) return value_bytes;
  const unsigned octave = static_cast<unsigned>(std::bit_width(value_bytes)) - 1 - kSizeStepBits;
  if (octave >= kSizeOctaves) return kSizeClasses - 1;
  return kSizeSteps * octave + (value_bytes >> octave);
}

// The smallest and the largest size of a class, in bytes.
constexpr std::uint64_t lower_bytes(SizeClass size_class) {
  if (size_class < kSizeSteps) return size_class;
  return (size_class % kSizeSteps + kSizeSteps) << (size_class / kSizeSteps - 1);
}
constexpr std::uint64_t upper_bytes(SizeClass size_class) {
  if (size_class < kSizeSteps) return size_class;
  return ((size_class % kSizeSteps + kSizeSteps + 1) << (size_class / kSizeSteps - 1)) - 1;
}
static_assert(upper_bytes(kSizeClasses - 1) == (std::uint64_t{1} << 31) - 1);
static_assert(size_class_of(kItemBytesMax) < kSizeClasses - 1);

// Counts of requests by size class. One owner.
class SizeHistogram {
 public:
  void record(std::uint64_t value_bytes, std::uint64_t times = 1) {
    add(size_class_of(value_bytes), times);
  }
  void add(SizeClass size_class, std::uint64_t times) {
    counts_[size_class] += times;
    total_ += times;
  }
  void merge(const SizeHistogram& other);
  void clear() { *this = SizeHistogram(); }

  std::uint64_t count() const { return total_; }
  std::uint64_t count(SizeClass size_class) const { return counts_[size_class]; }

  // The smallest class bound such that at least `share` (in (0, 1]) of the requests are at or below
  // it; 0 when nothing was recorded.
  std::uint64_t quantile_bytes(double share) const;

 private:
  std::array<std::uint64_t, kSizeClasses> counts_{};
  std::uint64_t total_ = 0;
};

// Counts that one worker writes and any thread may read. They only grow: a reader that wants the
// counts of an epoch remembers what it saw last, so the writer never has to reset (PAPER resets;
// that would need the two to agree on when).
class SharedSizeHistogram {
 public:
  // Writer only: a plain load and store are enough because nobody else stores.
  void record(std::uint64_t value_bytes) {
    std::atomic<std::uint64_t>& count = counts_[size_class_of(value_bytes)];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }

  // Any thread, `previous` being the caller's own. What was recorded since `previous` was last
  // passed here (since the start when it is empty), and brings `previous` up to date. Each request
  // shows up in exactly one delta. Relaxed: counts only, nothing pairs with them.
  SizeHistogram delta_since(SizeHistogram& previous) const;

 private:
  std::array<std::atomic<std::uint64_t>, kSizeClasses> counts_{};
};

// Requests by size class, smoothed over epochs. One owner.
class SmoothedSizes {
 public:
  // `smoothing`: weight of the newest epoch, in (0, 1].
  explicit SmoothedSizes(double smoothing);

  // PAPER: H[i] = (1 - a) * H[i] + a * h[i]. The first epoch that has a request sets H = h, or the
  // start would count as an epoch of silence; an epoch without requests says nothing about sizes
  // and leaves H as it is.
  void add(const SizeHistogram& epoch);

  // True until the first request.
  bool empty() const { return total_ == 0; }
  // Requests an epoch, smoothed: of all classes, and of one.
  double total() const { return total_; }
  double weight(SizeClass size_class) const { return weights_[size_class]; }

  // The smallest class bound, in bytes, such that at most (100 - percentile) % of the requests are
  // above it; `percentile` in (0, 100). The largest 64-bit number before the first request.
  std::uint64_t threshold_bytes(double percentile) const;

 private:
  double smoothing_;
  double total_ = 0;
  std::array<double, kSizeClasses> weights_{};
};

}  // namespace minos
