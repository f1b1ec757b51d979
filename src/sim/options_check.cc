#include <fmt/format.h>

#include <cmath>
#include <string>

#include "base/limits.h"
#include "load/key_space.h"
#include "sim/simulation.h"

namespace minos {

namespace {

constexpr std::uint64_t kValueBytesMax = 64 * kMiB;

template <typename T>
std::string out_of_range(std::string_view name, T value, T low, T high) {
  if (value >= low && value <= high) return {};
  return fmt::format("{}={} is out of range: {} to {} is allowed", name, value, low, high);
}

// Of a number that must be more than `low`.
std::string not_above(std::string_view name, double value, double low, double high) {
  if (value > low && value <= high) return {};
  return fmt::format("{}={} is out of range: more than {}, up to {} is allowed", name, value, low,
                     high);
}

std::string server_error(const SimOptions& o) {
  const bool handoff = o.policy == PolicyKind::kSoftwareHandoff;
  const bool on_top = handoff && o.costs.ideal;
  const auto cores_max = static_cast<int>(kWorkersMax) - (on_top ? o.dispatchers : 0);
  for (const std::string& error : {
           out_of_range<int>("--cores", o.cores, 1, cores_max),
           out_of_range<int>("--dispatchers", o.dispatchers, 1, static_cast<int>(kWorkersMax) - 1),
           out_of_range<std::int64_t>("--burst", o.burst_requests, 0, kBurstRequestsMax),
           out_of_range<std::int64_t>("--quantum-packets", o.quantum_packets, 0, 65536),
           not_above("--smoothing", o.smoothing, 0, 1),
           out_of_range<double>("--epoch-ms", static_cast<double>(o.epoch.count()) / 1e6, 0.01,
                                1e9),
       }) {
    if (!error.empty()) return error;
  }
  if (!(o.large_percentile > 0 && o.large_percentile < 100)) {
    return fmt::format("--percentile={} is out of range: more than 0, less than 100 is allowed",
                       o.large_percentile);
  }
  if (handoff && !on_top && o.cores > 1 && o.dispatchers >= o.cores) {
    return fmt::format("--dispatchers={} leaves no worker of --cores={}: 1 to {} is allowed",
                       o.dispatchers, o.cores, o.cores - 1);
  }
  return {};
}

std::string workload_error(const SimOptions& o) {
  if (o.rate_per_s != 0) {
    if (auto e = out_of_range<double>("--rate", o.rate_per_s, 1, 1e9); !e.empty()) return e;
  } else if (auto e = not_above("--load", o.load, 0, 2); !e.empty()) {
    return e;
  }
  for (const std::string& error : {
           out_of_range<double>("--large-percent", o.large_percent, 0, 100),
           out_of_range<std::uint64_t>("--large-max", o.large_bytes_max, kLargeBytesMin, 16 * kMiB),
           out_of_range<std::int64_t>("--large-factor", o.large_factor, 2, 10'000),
           out_of_range<double>("--get-ratio", o.get_ratio, 0, 1),
           out_of_range<std::int64_t>("--keys", o.keys, 1, 16 << 20),
           out_of_range<std::int64_t>("--large-keys", o.large_keys, 1, 10'000),
           out_of_range<double>("--zipf", o.zipf, 0, 5),
           not_above("--answered-percent", o.answered_percent, 0, 100),
           out_of_range<std::uint64_t>("--requests", o.requests, 1, 10'000'000'000),
           out_of_range<double>("--warmup-percent", o.warmup_percent, 0, 1000),
       }) {
    if (!error.empty()) return error;
  }
  for (const SimPhase& phase : o.phases) {
    const auto error = out_of_range<double>("a phase's large percent", phase.large_percent, 0, 100);
    if (!error.empty()) return error;
  }
  if (!o.phases.empty() && o.sizes == SimSizes::kGiven) return "given sizes have no phases";
  if (o.sizes != SimSizes::kGiven) return {};
  double total = 0;
  for (const SimSizeShare& size : o.size_shares) {
    const auto error = out_of_range<std::uint64_t>("a size", size.value_bytes, 1, kValueBytesMax);
    if (!error.empty()) return error;
    if (!(size.share >= 0)) return fmt::format("a size's share of {} is negative", size.share);
    if (!(size.get_ratio <= 1)) {
      return fmt::format("a size's GET ratio of {} is more than 1", size.get_ratio);
    }
    total += size.share;
  }
  if (!(total > 0) || !std::isfinite(total))
    return "given sizes need shares that add up to more than 0";
  return {};
}

std::string network_error(const SimOptions& o) {
  const CostModel& c = o.costs;
  for (const double ns : {c.fixed_ns, c.packet_ns, c.step_ns, c.empty_poll_ns, c.receive_ns,
                          c.parse_ns, c.look_up_ns, c.reply_ns, c.large_packet_ns, c.copy_byte_ns,
                          c.write_ns, c.ring_out_ns, c.ring_in_ns, c.steal_ns, c.cache_line_ns}) {
    if (!(ns >= 0 && ns <= 1e9)) {
      return fmt::format("a cost of {} ns is out of range: 0 to 1e9 is allowed", ns);
    }
  }
  const double service_ns = c.ideal ? c.fixed_ns + c.packet_ns : c.receive_ns + c.parse_ns;
  if (service_ns < 1) {
    return c.ideal ? "--fixed-us and --packet-us add up to less than 0.001 us: a request must take "
                     "some time"
                   : "a request costs less than 1 ns: it must take some time";
  }
  const std::int64_t queue_max = 1 << 20;
  for (const std::string& error : {
           out_of_range<double>("--link-gbit", o.link_gbit_s, 0, 10'000),
           out_of_range<double>("--client-gbit", o.client_gbit_s, 0, 10'000),
           out_of_range<double>("--wire-us", o.wire_us, 0, 1e6),
           out_of_range<std::int64_t>("--rx-queue", o.rx_queue_packets, 64, queue_max),
           out_of_range<std::int64_t>("--tx-queue", o.tx_queue_packets, 64, queue_max),
       }) {
    if (!error.empty()) return error;
  }
  if (o.timeline_every != Nanos(0) && o.timeline_every < micros(10)) {
    return "--timeline-ms is less than 0.01: 0, or 0.01 and up is allowed";
  }
  return {};
}

}  // namespace

std::expected<void, std::string> check_sim_options(const SimOptions& options) {
  for (const auto check : {server_error, workload_error, network_error}) {
    if (std::string error = check(options); !error.empty()) return std::unexpected(error);
  }
  return {};
}

}  // namespace minos
