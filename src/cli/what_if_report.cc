#include "cli/what_if_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "experiment/catalogue.h"
#include "sharding/cost.h"

namespace minos {
namespace {

constexpr const char* kClassNames[] = {"all", "small", "large"};
constexpr ClassFigures PointResult::* kClasses[] = {&PointResult::all, &PointResult::small,
                                                    &PointResult::large};

std::string micros_text(double us) {
  return us < 10'000 ? fmt::format("{:.1f}", us) : fmt::format("{:.0f}", us);
}

std::string heading(std::string_view title) {
  std::string classes;
  for (const char* const name : kClassNames) {
    classes += fmt::format("{:>10}{:>9}{:>9}", fmt::format("{} p50", name), "p99", "p99.9");
  }
  return fmt::format("\n{}\n{:<24}{:>7}{}\n", title, "", "load", classes);
}

// An asterisk: it keeps the SLO.
std::string point_row(std::string_view label, const WhatIfPoint& point) {
  const PointResult& result = point.result;
  std::string out =
      fmt::format("{:<22}{:<2}{:>5.1f} %", label, point.fine() ? "*" : "", 100 * result.load);
  if (point.overloaded) return out + "   overload\n";
  for (const auto figures : kClasses) {
    const ClassFigures& figure = result.*figures;
    if (figure.count == 0) {
      out += fmt::format("{:>10}{:>9}{:>9}", "-", "-", "-");
      continue;
    }
    out += fmt::format("{:>10}{:>9}{:>9}", micros_text(figure.p50_us), micros_text(figure.p99_us),
                       micros_text(figure.p999_us));
  }
  return out + (answers(result) ? "\n" : fmt::format("  {} not served\n", result.failed));
}

std::string limit_text(std::uint64_t bytes) {
  return bytes >= (std::uint64_t{1} << 31) ? "nothing is large"
                                           : fmt::format("large above {} B", bytes);
}

std::string seen_text(const WhatIfFacts& facts) {
  const ObservedServer& server = facts.server;
  const LoadSummary seen = summarise(server, facts.load);
  return fmt::format(
      "{}: minosd {}, {} on {} cores, {} keys, {}\n"
      "in {:.1f} s: {} requests, {:.1f} a second, {:.2f} % of them GETs, {:.2f} % without a value\n"
      "values: {:.0f} B on average, p50 {}, p90 {}, p99 {}, p99.9 {}, largest {}\n"
      "above {} B: {:.3f} % of requests, {:.1f} % of bytes\n",
      facts.address, server.version, name_of(server.policy), server.threads, server.keys,
      limit_text(server.threshold_bytes), facts.load.seconds, facts.load.requests(),
      facts.load.rate_per_s(), 100 * seen.get_share,
      100 * static_cast<double>(facts.load.without_value) /
          static_cast<double>(facts.load.requests()),
      seen.value_bytes_mean, seen.value_bytes_p50, seen.value_bytes_p90, seen.value_bytes_p99,
      seen.value_bytes_p999, seen.value_bytes_max, seen.large_above_bytes, 100 * seen.large_share,
      100 * seen.large_bytes_share);
}

std::string cores_table(const WhatIf& what_if) {
  std::string out = heading("by the number of cores");
  for (const PolicyKind policy : compared_policies()) {
    for (const std::uint16_t cores : what_if.cores) {
      out +=
          point_row(fmt::format("{} on {}", name_of(policy), cores), *what_if.find(policy, cores));
    }
  }
  out += "\nfewest cores that keep it:";
  for (const PolicyKind policy : compared_policies()) {
    const auto least = what_if.least_cores(policy);
    out += fmt::format(
        " {} {},", name_of(policy),
        least ? fmt::format("{}", *least) : fmt::format("more than {}", what_if.cores.back()));
  }
  out.back() = '\n';
  return out;
}

nlohmann::json figures_json(const ClassFigures& figures) {
  return {{"count", figures.count},     {"mean_us", figures.mean_us},
          {"p50_us", figures.p50_us},   {"p99_us", figures.p99_us},
          {"p999_us", figures.p999_us}, {"mean_slowdown", figures.mean_slowdown}};
}

nlohmann::json variant_json(const WhatIfPoint& point) {
  const PointResult& result = point.result;
  nlohmann::json out = {{"policy", name_of(point.variant.policy)},
                        {"cores", point.variant.cores},
                        {"large_percentile", point.variant.large_percentile},
                        {"quantum_packets", point.variant.quantum_packets},
                        {"load", result.load},
                        {"capacity_mops", result.capacity_mops},
                        {"overloaded", point.overloaded},
                        {"keeps_slo", point.fine()}};
  if (point.overloaded) return out;
  for (std::size_t i = 0; i < std::size(kClasses); ++i) {
    out[kClassNames[i]] = figures_json(result.*kClasses[i]);
  }
  out["throughput_mops"] = result.throughput_mops;
  out["failed"] = result.failed;
  out["threshold_bytes"] = result.threshold_bytes;
  out["large_cores"] = result.large_cores;
  return out;
}

nlohmann::json server_json(const WhatIfFacts& facts) {
  const ObservedServer& server = facts.server;
  return {{"address", facts.address},
          {"version", server.version},
          {"policy", name_of(server.policy)},
          {"threads", server.threads},
          {"dispatchers", server.dispatchers},
          {"keys", server.keys},
          {"large_percentile", server.large_percentile},
          {"quantum_bytes", server.quantum_bytes},
          {"threshold_bytes", server.threshold_bytes},
          {"threshold_min_bytes", server.threshold_min_bytes}};
}

nlohmann::json load_json(const WhatIfFacts& facts) {
  const ObservedLoad& load = facts.load;
  const LoadSummary seen = summarise(facts.server, load);
  nlohmann::json sizes = nlohmann::json::array();
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    if (load.sizes.read.count(i) + load.sizes.written.count(i) == 0) continue;
    sizes.push_back({{"lower_bytes", lower_bytes(i)},
                     {"upper_bytes", upper_bytes(i)},
                     {"read", load.sizes.read.count(i)},
                     {"written", load.sizes.written.count(i)}});
  }
  return {{"seconds", load.seconds},
          {"requests", load.requests()},
          {"rate_per_s", load.rate_per_s()},
          {"get_share", seen.get_share},
          {"without_value", load.without_value},
          {"value_bytes_mean", seen.value_bytes_mean},
          {"value_bytes_p50", seen.value_bytes_p50},
          {"value_bytes_p90", seen.value_bytes_p90},
          {"value_bytes_p99", seen.value_bytes_p99},
          {"value_bytes_p999", seen.value_bytes_p999},
          {"value_bytes_max", seen.value_bytes_max},
          {"large_above_bytes", seen.large_above_bytes},
          {"large_share", seen.large_share},
          {"large_bytes_share", seen.large_bytes_share},
          {"sizes", sizes}};
}

nlohmann::json answer_json(const WhatIf& what_if) {
  nlohmann::json least = nlohmann::json::object();
  for (const PolicyKind policy : compared_policies()) {
    const auto cores = what_if.least_cores(policy);
    least[std::string(name_of(policy))] = cores ? nlohmann::json(*cores) : nlohmann::json();
  }
  const WhatIfPoint* const best = what_if.best();
  return {{"sentence", what_if_sentence(what_if)},
          {"slo_us", kSloServiceTimes * what_if.now().result.mean_service_us},
          {"least_cores", least},
          {"best_policy", best ? nlohmann::json(name_of(best->variant.policy)) : nlohmann::json()}};
}

}  // namespace

std::string what_if_text(const WhatIfFacts& facts) {
  const WhatIf& what_if = facts.what_if;
  const WhatIfPoint& now = what_if.now();
  const unsigned cores = what_if.present.cores;
  std::string out = seen_text(facts);
  out += fmt::format(
      "\nsimulated: profile {}, {:.1f} requests/s, {:.1f} % of what {} cores{} can do; mean "
      "service "
      "time {:.2f} us; {} requests a line, times in us\n* p99 of all is within {:.0f} mean service "
      "times, {:.1f} us\n",
      what_if.base.costs.name, what_if.base.rate_per_s, 100 * now.result.load, cores,
      what_if.link_mops == 0 ? "" : fmt::format(" on a link of {} Gb/s", what_if.base.link_gbit_s),
      now.result.mean_service_us, what_if.base.requests, kSloServiceTimes,
      kSloServiceTimes * now.result.mean_service_us);
  out += heading("now");
  out += point_row(name_of(what_if.present.policy), now);
  out += heading(fmt::format("by policy, on {} cores", cores));
  for (const PolicyKind policy : compared_policies()) {
    out += point_row(name_of(policy), *what_if.find(policy, what_if.present.cores));
  }
  out += cores_table(what_if);
  out += heading("by the percentile of sizes above which requests are large");
  WhatIfVariant variant = what_if.present;
  for (const PolicyKind policy : size_aware_policies()) {
    variant.policy = policy;
    for (const double percentile : what_if.percentiles) {
      variant.large_percentile = percentile;
      out += point_row(fmt::format("{} p{}", name_of(policy), percentile), *what_if.find(variant));
    }
  }
  out += heading("by the quantum of large replies, under elastic");
  variant = what_if.present;
  variant.policy = PolicyKind::kElastic;
  for (const std::uint32_t packets : what_if.quanta) {
    variant.quantum_packets = packets;
    const double kib = static_cast<double>(packets) * kPacketPayloadBytes / 1024;
    out += point_row(fmt::format("{} packets, {:.0f} KiB", packets, kib), *what_if.find(variant));
  }
  return out + "\n" + what_if_sentence(what_if) + "\n";
}

nlohmann::json what_if_json(const WhatIfFacts& facts) {
  const WhatIf& what_if = facts.what_if;
  nlohmann::json out = {{"server", server_json(facts)},
                        {"load", load_json(facts)},
                        {"profile", what_if.base.costs.name},
                        {"seed", what_if.base.seed},
                        {"requests", what_if.base.requests},
                        {"rate_per_s", what_if.base.rate_per_s},
                        {"mean_service_us", what_if.mean_service_us},
                        {"link_mops", what_if.link_mops},
                        {"now", variant_json(what_if.now())},
                        {"answer", answer_json(what_if)}};
  for (const char* const list : {"policies", "cores", "percentiles", "quanta"}) {
    out[list] = nlohmann::json::array();
  }
  for (const PolicyKind policy : compared_policies()) {
    out["policies"].push_back(variant_json(*what_if.find(policy, what_if.present.cores)));
  }
  for (const WhatIfPoint& point : what_if.points) {
    WhatIfVariant cores = what_if.present;
    cores.policy = point.variant.policy;
    cores.cores = point.variant.cores;
    if (point.variant == cores) out["cores"].push_back(variant_json(point));
    WhatIfVariant percentile = what_if.present;
    percentile.policy = point.variant.policy;
    percentile.large_percentile = point.variant.large_percentile;
    const bool by_size =
        std::ranges::find(size_aware_policies(), percentile.policy) != size_aware_policies().end();
    if (by_size && point.variant == percentile) out["percentiles"].push_back(variant_json(point));
    WhatIfVariant quantum = what_if.present;
    quantum.policy = PolicyKind::kElastic;
    quantum.quantum_packets = point.variant.quantum_packets;
    if (point.variant == quantum) out["quanta"].push_back(variant_json(point));
  }
  return out;
}

}  // namespace minos
