#include "sharding/size_histogram.h"

#include <limits>

#include "base/check.h"

namespace minos {

namespace {

// Percentages are not exact in binary: 100 - 99.9 is a little less than 0.1, and of 1000 requests
// the one allowed above the threshold would not be.
constexpr double kRounding = 1e-9;

}  // namespace

void SizeHistogram::merge(const SizeHistogram& other) {
  for (SizeClass i = 0; i < kSizeClasses; ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
}

std::uint64_t SizeHistogram::quantile_bytes(double share) const {
  const double wanted = (share - kRounding) * static_cast<double>(total_);
  std::uint64_t seen = 0;
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    seen += counts_[i];
    if (counts_[i] != 0 && static_cast<double>(seen) >= wanted) return upper_bytes(i);
  }
  return 0;
}

SizeHistogram SharedSizeHistogram::delta_since(SizeHistogram& previous) const {
  SizeHistogram delta;
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    const std::uint64_t grown = counts_[i].load(std::memory_order_relaxed) - previous.count(i);
    if (grown != 0) delta.add(i, grown);
  }
  previous.merge(delta);
  return delta;
}

SmoothedSizes::SmoothedSizes(double smoothing) : smoothing_(smoothing) {
  CHECK(smoothing > 0 && smoothing <= 1);
}

void SmoothedSizes::add(const SizeHistogram& epoch) {
  if (epoch.count() == 0) return;
  const double newest = empty() ? 1.0 : smoothing_;
  total_ = 0;
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    const auto count = static_cast<double>(epoch.count(i));
    weights_[i] = (1 - newest) * weights_[i] + newest * count;
    total_ += weights_[i];
  }
}

std::uint64_t SmoothedSizes::threshold_bytes(double percentile) const {
  CHECK(percentile > 0 && percentile < 100);
  if (empty()) return std::numeric_limits<std::uint64_t>::max();
  const double allowed = ((100 - percentile) / 100 + kRounding) * total_;
  double above = 0;
  SizeClass i = kSizeClasses - 1;
  while (i > 0 && above + weights_[i] <= allowed) above += weights_[i--];
  return upper_bytes(i);
}

}  // namespace minos
