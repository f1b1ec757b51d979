#include "sim/recorder.h"

#include <algorithm>
#include <cmath>

namespace minos {

namespace {

// Mean of the batches' means that have any, and its standard error.
struct Spread {
  double mean = 0;
  double error = 0;
};

Spread spread_of(const std::vector<double>& means) {
  if (means.size() < 2) return {};
  Spread out;
  for (const double mean : means) out.mean += mean;
  const auto n = static_cast<double>(means.size());
  out.mean /= n;
  double squares = 0;
  for (const double mean : means) squares += (mean - out.mean) * (mean - out.mean);
  out.error = std::sqrt(squares / (n - 1) / n);
  return out;
}

}  // namespace

void LatencyHistogram::merge(const LatencyHistogram& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
}

void LatencyHistogram::clear() {
  std::ranges::fill(counts_, 0);
  total_ = 0;
}

double LatencyHistogram::quantile_us(double share) const {
  if (total_ == 0) return 0;
  const double wanted = share * static_cast<double>(total_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const double before = static_cast<double>(seen);
    seen += counts_[i];
    if (static_cast<double>(seen) < wanted) continue;
    const double lower = i == 0 ? 0 : static_cast<double>(Buckets::upper_of(i - 1)) + 1;
    const double upper = static_cast<double>(Buckets::upper_of(i)) + 1;
    const double within = (wanted - before) / static_cast<double>(counts_[i]);
    return (lower + (upper - lower) * within) / 1e3;
  }
  return 0;
}

void ClassRecorder::record(Picos latency, Picos service, std::size_t batch) {
  latency_.record(static_cast<std::uint64_t>(latency / kPicosPerNano));
  Batch& b = batches_[batch];
  ++b.count;
  b.latency += micros_of(latency);
  b.wait += micros_of(latency - service);
  service_ += micros_of(service);
  slowdown_ += static_cast<double>(latency) / static_cast<double>(std::max<Picos>(service, 1));
  max_ = std::max(max_, latency);
}

void ClassRecorder::merge(const ClassRecorder& other) {
  latency_.merge(other.latency_);
  for (std::size_t i = 0; i < kBatches; ++i) {
    batches_[i].count += other.batches_[i].count;
    batches_[i].latency += other.batches_[i].latency;
    batches_[i].wait += other.batches_[i].wait;
  }
  service_ += other.service_;
  slowdown_ += other.slowdown_;
  max_ = std::max(max_, other.max_);
}

SimLatency ClassRecorder::summary(const ClassRecorder& a, const ClassRecorder& b) {
  ClassRecorder both = a;
  both.merge(b);
  return both.summary();
}

SimLatency ClassRecorder::summary() const {
  SimLatency out;
  out.count = latency_.count();
  if (out.count == 0) return out;
  const auto n = static_cast<double>(out.count);
  std::vector<double> latencies;
  std::vector<double> waits;
  for (const Batch& batch : batches_) {
    out.mean_us += batch.latency / n;
    out.mean_wait_us += batch.wait / n;
    if (batch.count == 0) continue;
    latencies.push_back(batch.latency / static_cast<double>(batch.count));
    waits.push_back(batch.wait / static_cast<double>(batch.count));
  }
  out.mean_error_us = spread_of(latencies).error;
  out.wait_error_us = spread_of(waits).error;
  out.p50_us = latency_.quantile_us(0.5);
  out.p90_us = latency_.quantile_us(0.9);
  out.p99_us = latency_.quantile_us(0.99);
  out.p999_us = latency_.quantile_us(0.999);
  out.max_us = micros_of(max_);
  out.mean_service_us = service_ / n;
  out.mean_slowdown = slowdown_ / n;
  return out;
}

void SimRecorder::issued(const SimRequest& request) {
  if (request.number >= first_ + counted_) window_closed_ = true;
  if (!request.counted) return;
  ++open_;
  window_start_ = std::min(window_start_, request.due);
  window_end_ = std::max(window_end_, request.due);
}

void SimRecorder::close(const SimRequest& request) {
  ++done_;
  if (request.counted) --open_;
}

void SimRecorder::answered(const SimRequest& request, Picos at) {
  close(request);
  fold(request.number);
  fold(static_cast<std::uint64_t>(at));
  if (at >= window_start_ && !window_closed_) ++in_window_;
  if (!request.answered) return;
  const Picos latency = at - request.due;
  if (timeline_) {
    LatencyHistogram& interval = request.large ? interval_large_ : interval_small_;
    interval.record(static_cast<std::uint64_t>(latency / kPicosPerNano));
  }
  if (!request.counted) return;
  const std::size_t batch = (request.number - first_) * ClassRecorder::kBatches / counted_;
  (request.large ? large_ : small_).record(latency, request.service, batch);
}

void SimRecorder::lost(const SimRequest& request) {
  close(request);
  if (request.counted) ++lost_;
}

void SimRecorder::refused(const SimRequest& request, bool busy) {
  close(request);
  if (request.counted) ++(busy ? busy_ : missed_);
}

void SimRecorder::end_interval(Picos at, SimPoint& point) {
  point.until = Nanos(at / kPicosPerNano);
  point.small_p99_us = interval_small_.quantile_us(0.99);
  point.large_p99_us = interval_large_.quantile_us(0.99);
  interval_small_.merge(interval_large_);
  point.requests = interval_small_.count();
  point.p50_us = interval_small_.quantile_us(0.5);
  point.p99_us = interval_small_.quantile_us(0.99);
  interval_small_.clear();
  interval_large_.clear();
}

void SimRecorder::fill(SimResult& result) const {
  result.small = small_.summary();
  result.large = large_.summary();
  result.all = ClassRecorder::summary(small_, large_);
  result.lost = lost_;
  result.busy = busy_;
  result.missed = missed_;
  result.unanswered = open_;
  result.digest = digest_;
  if (window_end_ > window_start_) {
    result.throughput_mops =
        static_cast<double>(in_window_) / micros_of(window_end_ - window_start_);
  }
}

}  // namespace minos
