#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace minos {

// Log-linear buckets over [0, 2^40): 2^step_bits linear steps an octave, so a bucket is at most one
// such part of its value wide. Values above are counted in the last bucket.
template <unsigned step_bits>
struct LogLinearSteps {
  static constexpr unsigned kStepBits = step_bits;
  static constexpr unsigned kSteps = 1U << kStepBits;
  static constexpr unsigned kOctaves = 40 - kStepBits;
  static constexpr std::size_t kBuckets = kSteps * (kOctaves + 1);

  static constexpr std::size_t bucket_of(std::uint64_t value) {
    if (value < kSteps) return value;
    const unsigned octave = static_cast<unsigned>(std::bit_width(value)) - 1 - kStepBits;
    if (octave >= kOctaves) return kBuckets - 1;
    return kSteps * octave + (value >> octave);
  }

  // The largest value that falls into the bucket.
  static constexpr std::uint64_t upper_of(std::size_t bucket) {
    if (bucket < 2 * kSteps) return bucket;
    const std::size_t octave = bucket / kSteps - 1;
    const std::uint64_t step = bucket % kSteps + kSteps;
    return ((step + 1) << octave) - 1;
  }
};

// What histograms use: buckets of 1/32.
using LogLinear = LogLinearSteps<5>;

// Counts of values in log-linear buckets. One owner.
class Histogram {
 public:
  void record(std::uint64_t value, std::uint64_t count = 1) {
    counts_[LogLinear::bucket_of(value)] += count;
    total_ += count;
  }

  void add(std::size_t bucket, std::uint64_t count) {
    counts_[bucket] += count;
    total_ += count;
  }

  void merge(const Histogram& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
    total_ += other.total_;
  }

  // `earlier` is a snapshot of the same counts.
  void subtract(const Histogram& earlier) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] -= earlier.counts_[i];
    total_ -= earlier.total_;
  }

  void clear() { *this = Histogram(); }

  std::uint64_t count() const { return total_; }

  // The smallest bucket bound such that at least `share` (in (0, 1]) of the values are at or below
  // it; 0 when nothing was recorded.
  std::uint64_t quantile(double share) const {
    const double wanted = share * static_cast<double>(total_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (counts_[i] != 0 && static_cast<double>(seen) >= wanted) return LogLinear::upper_of(i);
    }
    return 0;
  }

 private:
  std::array<std::uint64_t, LogLinear::kBuckets> counts_{};
  std::uint64_t total_ = 0;
};

// A histogram that one thread writes and any thread may read.
class SharedHistogram {
 public:
  // Writer only: a plain load and store are enough because nobody else stores.
  void record(std::uint64_t value, std::uint64_t times = 1) {
    std::atomic<std::uint64_t>& count = counts_[LogLinear::bucket_of(value)];
    count.store(count.load(std::memory_order_relaxed) + times, std::memory_order_relaxed);
  }

  // Any thread. Counts recorded meanwhile may or may not be seen: relaxed, nothing pairs with them.
  Histogram snapshot() const {
    Histogram out;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      if (const std::uint64_t n = counts_[i].load(std::memory_order_relaxed); n != 0) out.add(i, n);
    }
    return out;
  }

 private:
  std::array<std::atomic<std::uint64_t>, LogLinear::kBuckets> counts_{};
};

// A counter that one thread writes and any thread may read. Relaxed: it orders nothing.
class SharedCounter {
 public:
  void add(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t get() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace minos
