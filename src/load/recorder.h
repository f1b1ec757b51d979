#pragma once

#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/histogram.h"
#include "base/units.h"
#include "load/session.h"

namespace minos {

// What happened to the requests of one class.
struct ClassStats {
  std::uint64_t received = 0;  // replies that arrived within the window: throughput
  std::uint64_t misses = 0;
  std::uint64_t refused = 0;
  std::uint64_t wrong = 0;  // size or content
  Nanos max{0};
  Histogram latency_ns;  // of the requests due within the window, whenever they were answered
  Histogram kernel_ns;   // of the same, from handed to the kernel to the reply being there

  void merge(const ClassStats& other);
  // An upper bound of the latency of `share` of the requests, at most 1/32 too large.
  Nanos quantile(double share) const;
};

// Latencies in consecutive slices of time. A shared machine pauses for
// milliseconds several times a second: those pauses decide a percentile over the whole run, but
// spoil only a few slices, so that the median over slices shows the server.
class SliceRecorder {
 public:
  struct Summary {
    std::uint64_t slices = 0;  // that had any request
    double requests = 0;       // these and the rest: medians over those slices
    double p50_ns = 0;
    double p99_ns = 0;
  };

  SliceRecorder(Nanos start, Nanos slice) : start_(start), slice_(slice) {}

  // `at` never decreases, and is at or after `start`.
  void record(Nanos latency, Nanos at);
  void finish() { close(); }
  // Slice by slice; both finished.
  void merge(const SliceRecorder& other);
  Summary summary() const;

 private:
  using Slice = std::vector<std::pair<std::uint16_t, std::uint64_t>>;  // bucket, count

  void close();
  static double quantile(const Slice& slice, double count, double share);

  Nanos start_;
  Nanos slice_;
  std::size_t current_ = 0;  // number of the slice that open_counts_ is of
  std::array<std::uint64_t, LogLinear::kBuckets> open_counts_{};
  std::vector<Slice> slices_;
};

// Everything measured by one thread. The window is the part of a run that counts.
class Recorder {
 public:
  Recorder(Nanos window_start, Nanos window_end, Nanos slice)
      : start_(window_start),
        end_(window_end),
        slices_(window_start, slice),
        all_slices_(window_start, slice),
        kernel_slices_(window_start, slice) {}

  // A request that was answered.
  void record(const FinishedRequest& done, Nanos at);
  // As record(), for the part of the latency that is not the client's own.
  void record_kernel(const FinishedRequest& done, Nanos kernel_at, Nanos at);
  // A request that was due at `scheduled` was sent at `at`.
  void issued(Nanos scheduled, Nanos at);
  void finish() {
    slices_.finish();
    all_slices_.finish();
    kernel_slices_.finish();
  }
  void merge(const Recorder& other);

  const ClassStats& of(LoadClass size_class) const {
    return classes_[static_cast<std::size_t>(size_class)];
  }
  const SliceRecorder& slices() const { return slices_; }  // of requests that are not large
  const SliceRecorder& all_slices() const { return all_slices_; }
  const SliceRecorder& kernel_slices() const { return kernel_slices_; }
  const Histogram& lateness_ns() const { return lateness_ns_; }
  Nanos lateness_max() const { return lateness_max_; }
  std::uint64_t issued_count() const { return lateness_ns_.count(); }

 private:
  bool in_window(Nanos at) const { return at >= start_ && at < end_; }

  Nanos start_;
  Nanos end_;
  std::array<ClassStats, kLoadClasses> classes_;
  SliceRecorder slices_;
  SliceRecorder all_slices_;
  SliceRecorder kernel_slices_;
  Histogram lateness_ns_;
  Nanos lateness_max_{0};
};

}  // namespace minos
