#include "load/recorder.h"

#include <algorithm>

#include "base/check.h"

namespace minos {
namespace {

std::uint64_t count_of(Nanos span) {
  return static_cast<std::uint64_t>(std::max(span.count(), std::int64_t{0}));
}

double median(std::vector<double>& values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

}  // namespace

void ClassStats::merge(const ClassStats& other) {
  received += other.received;
  misses += other.misses;
  refused += other.refused;
  wrong += other.wrong;
  max = std::max(max, other.max);
  latency_ns.merge(other.latency_ns);
  kernel_ns.merge(other.kernel_ns);
}

Nanos ClassStats::quantile(double share) const {
  return std::min(max, Nanos(static_cast<std::int64_t>(latency_ns.quantile(share))));
}

void SliceRecorder::record(Nanos latency, Nanos at) {
  const auto slice = static_cast<std::size_t>((at - start_) / slice_);
  if (slice > current_) {
    close();
    current_ = slice;
  }
  ++open_counts_[LogLinear::bucket_of(count_of(latency))];
}

void SliceRecorder::close() {
  slices_.resize(std::max(slices_.size(), current_ + 1));
  Slice& slice = slices_[current_];
  for (std::size_t i = 0; i < open_counts_.size(); ++i) {
    if (open_counts_[i] == 0) continue;
    slice.emplace_back(static_cast<std::uint16_t>(i), std::exchange(open_counts_[i], 0));
  }
}

void SliceRecorder::merge(const SliceRecorder& other) {
  slices_.resize(std::max(slices_.size(), other.slices_.size()));
  for (std::size_t i = 0; i < other.slices_.size(); ++i) {
    slices_[i].insert(slices_[i].end(), other.slices_[i].begin(), other.slices_[i].end());
    std::ranges::sort(slices_[i]);
  }
}

SliceRecorder::Summary SliceRecorder::summary() const {
  std::vector<double> counts;
  std::vector<double> p50;
  std::vector<double> p99;
  for (const Slice& slice : slices_) {
    double count = 0;
    for (const auto& entry : slice) count += static_cast<double>(entry.second);
    if (count == 0) continue;
    counts.push_back(count);
    p50.push_back(quantile(slice, count, 0.50));
    p99.push_back(quantile(slice, count, 0.99));
  }
  return {.slices = counts.size(),
          .requests = median(counts),
          .p50_ns = median(p50),
          .p99_ns = median(p99)};
}

// Interpolates within a bucket, so that ratios of two runs are finer than buckets.
double SliceRecorder::quantile(const Slice& slice, double count, double share) {
  double seen = 0;
  for (const auto& [bucket, entries] : slice) {
    const auto here = static_cast<double>(entries);
    if (seen + here >= share * count) {
      const auto upper = static_cast<double>(LogLinear::upper_of(bucket));
      const auto lower =
          bucket == 0 ? 0.0 : static_cast<double>(LogLinear::upper_of(bucket - std::size_t{1}));
      return lower + (upper - lower) * (share * count - seen) / here;
    }
    seen += here;
  }
  return 0;
}

void Recorder::record(const FinishedRequest& done, Nanos at) {
  ClassStats& stats = classes_[static_cast<std::size_t>(done.request.size_class)];
  const bool arrived = in_window(at);
  if (arrived) ++stats.received;
  if (!in_window(done.scheduled)) return;
  const Nanos latency = at - done.scheduled;
  stats.latency_ns.record(count_of(latency));
  stats.max = std::max(stats.max, latency);
  switch (done.status) {
    case ReplyStatus::kHit:
    case ReplyStatus::kStored:
      break;
    case ReplyStatus::kMiss:
      ++stats.misses;
      break;
    case ReplyStatus::kRefused:
      ++stats.refused;
      break;
    case ReplyStatus::kWrongSize:
    case ReplyStatus::kWrongContent:
      ++stats.wrong;
      break;
    case ReplyStatus::kNone:
      CHECK(done.status != ReplyStatus::kNone);
      break;
  }
  if (!arrived) return;
  all_slices_.record(latency, at);
  if (done.request.size_class != LoadClass::kLarge) slices_.record(latency, at);
}

void Recorder::record_kernel(const FinishedRequest& done, Nanos kernel_at, Nanos at) {
  if (!in_window(done.scheduled)) return;
  const Nanos latency = kernel_at - done.sent;
  classes_[static_cast<std::size_t>(done.request.size_class)].kernel_ns.record(count_of(latency));
  if (in_window(at) && done.request.size_class != LoadClass::kLarge) {
    kernel_slices_.record(latency, at);
  }
}

void Recorder::issued(Nanos scheduled, Nanos at) {
  if (!in_window(scheduled)) return;
  lateness_ns_.record(count_of(at - scheduled));
  lateness_max_ = std::max(lateness_max_, at - scheduled);
}

void Recorder::merge(const Recorder& other) {
  for (std::size_t i = 0; i < classes_.size(); ++i) classes_[i].merge(other.classes_[i]);
  slices_.merge(other.slices_);
  all_slices_.merge(other.all_slices_);
  kernel_slices_.merge(other.kernel_slices_);
  lateness_ns_.merge(other.lateness_ns_);
  lateness_max_ = std::max(lateness_max_, other.lateness_max_);
}

}  // namespace minos
