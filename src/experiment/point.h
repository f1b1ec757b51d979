#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "sharding/policy.h"

namespace minos {

enum class SizeMix : std::uint8_t {
  kTrimodal,  // the paper's tiny, small and large values
  kBimodal,   // small requests of one cost, and large ones of large_factor times that
};

// What clients ask, and over what network. Equal names mean equal workloads: a point that several
// experiments show is measured once.
struct Workload {
  std::string name{};
  SizeMix mix = SizeMix::kTrimodal;
  double large_percent = 0.125;             // p_L, of all requests
  std::uint64_t large_bytes_max = 500'000;  // s_L, of kTrimodal
  double large_factor = 100;                // K, of kBimodal
  double get_share = 0.95;
  double answered_percent = 100;  // of GETs; the others get a reply without the value
  double link_gbps = 0;           // each way; 0: a network that is never in the way
  // p_L of each part of a run, which are equally long; empty: large_percent all the time.
  std::vector<double> phases_large_percent{};
  bool ideal = false;  // service times alone, whatever profile the experiments are run under

  friend bool operator==(const Workload&, const Workload&) = default;
};

struct PointSpec {
  Workload workload{};
  PolicyKind policy = PolicyKind::kElastic;
  // Offered, as a share of the capacity of all cores at the workload's mean service time; where p_L
  // changes, at the largest of them.
  double load = 0;
};

// A figure that is NaN is not known.
struct ClassFigures {
  std::uint64_t count = 0;
  double mean_us = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double mean_slowdown = 0;  // response time over own service time
  // Of a real server, where p50 and p99 are medians over slices of time: those of the whole run.
  double raw_p50_us = 0;
  double raw_p99_us = 0;
};

struct CoreFigures {
  double utilisation = 0;  // share of time with work
  std::uint64_t requests = 0;
  std::uint64_t packets = 0;  // received and sent
};

// What happened within a piece of a run whose p_L changes.
struct WindowFigures {
  double start_us = 0;
  double large_percent = 0;  // asked for at its start
  std::uint64_t count = 0;
  double all_p99_us = 0;
  double small_p99_us = 0;
  double large_p99_us = 0;
  std::uint32_t large_cores = 0;
  std::uint64_t threshold_bytes = 0;
};

struct PointResult {
  double load = 0;
  double offered_mops = 0;  // millions of requests a second
  double throughput_mops = 0;
  double capacity_mops = 0;
  double mean_service_us = 0;
  ClassFigures all{};
  ClassFigures small{};
  ClassFigures large{};
  std::uint64_t failed = 0;           // requests that were refused, lost or never answered
  std::uint64_t threshold_bytes = 0;  // at the end
  std::uint32_t large_cores = 0;      // the same
  std::vector<CoreFigures> cores{};
  std::vector<WindowFigures> windows{};
};

// Measures points one by one, as the simulator can. Called by several threads at once. Error: why
// it could not be measured; empty where it was interrupted.
using MeasurePoint = std::function<std::expected<PointResult, std::string>(const PointSpec&)>;

struct SideBySideError {
  PolicyKind policy = PolicyKind::kElastic;
  std::string why{};  // empty where it was interrupted
};

// Measures a load under several policies in turns, as a machine with noise wants it: one result for
// each.
using MeasureSideBySide = std::function<std::expected<std::vector<PointResult>, SideBySideError>(
    const Workload&, double load, std::span<const PolicyKind>)>;

// Whether at least 999 of 1000 requests got their answer: percentiles of a server that drops more
// than that are those of the lucky ones.
bool answers(const PointResult& result);

// The promise of the paper's abstract: p99 of all requests within 10 times the mean service time,
// of a server that answers.
inline constexpr double kSloServiceTimes = 10;
bool keeps_slo(const PointResult& result);

}  // namespace minos
