#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/histogram.h"
#include "sim/request_table.h"
#include "sim/simulation.h"

namespace minos {

// Latencies in nanoseconds, in buckets of 1/256; quantiles take values as evenly spread within one.
class LatencyHistogram {
 public:
  LatencyHistogram() : counts_(Buckets::kBuckets) {}
  void record(std::uint64_t nanos) {
    ++counts_[Buckets::bucket_of(nanos)];
    ++total_;
  }
  void merge(const LatencyHistogram& other);
  void clear();
  std::uint64_t count() const { return total_; }
  // Of a share in (0, 1], in microseconds; 0 when nothing was recorded.
  double quantile_us(double share) const;

 private:
  using Buckets = LogLinearSteps<8>;
  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

// Latencies of one class of requests.
class ClassRecorder {
 public:
  void record(Picos latency, Picos service, std::size_t batch);
  // Of two classes together.
  static SimLatency summary(const ClassRecorder& a, const ClassRecorder& b);
  SimLatency summary() const;

  static constexpr std::size_t kBatches = 32;

 private:
  struct Batch {
    std::uint64_t count = 0;
    double latency = 0;  // sums, in microseconds
    double wait = 0;
  };
  void merge(const ClassRecorder& other);

  LatencyHistogram latency_;
  std::array<Batch, kBatches> batches_{};
  double service_ = 0;
  double slowdown_ = 0;
  Picos max_ = 0;
};

// What becomes of requests. One owner.
class SimRecorder {
 public:
  // `timeline`: whether points will be asked for.
  SimRecorder(std::uint64_t first_counted, std::uint64_t counted, bool timeline)
      : first_(first_counted), counted_(counted), timeline_(timeline) {}

  bool counts(std::uint64_t number) const { return number >= first_ && number - first_ < counted_; }
  // A request is due, and under way from now on.
  void issued(const SimRequest& request);
  void answered(const SimRequest& request, Picos at);
  void lost(const SimRequest& request);
  void refused(const SimRequest& request, bool busy);
  void fold(std::uint64_t value) {
    digest_ = (digest_ ^ value) * 0x9e3779b97f4a7c15ULL;
    digest_ ^= digest_ >> 29;
  }

  // Counted requests that may still be answered.
  std::uint64_t open() const { return open_; }
  std::uint64_t done() const { return done_; }

  void end_interval(Picos at, SimPoint& point);
  // Everything that this knows.
  void fill(SimResult& result) const;

 private:
  void close(const SimRequest& request);

  std::uint64_t first_;
  std::uint64_t counted_;
  bool timeline_;
  Picos window_start_ = kNever;
  Picos window_end_ = 0;  // when the last counted one was due
  bool window_closed_ = false;
  std::uint64_t in_window_ = 0;
  std::uint64_t open_ = 0;
  std::uint64_t done_ = 0;
  std::uint64_t lost_ = 0;
  std::uint64_t busy_ = 0;
  std::uint64_t missed_ = 0;
  ClassRecorder small_;
  ClassRecorder large_;
  LatencyHistogram interval_small_;
  LatencyHistogram interval_large_;
  std::uint64_t digest_ = 0;
};

}  // namespace minos
