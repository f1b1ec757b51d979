#include "cli/sim_report.h"

#include <fmt/format.h>

#include <map>
#include <utility>
#include <vector>

namespace minos {
namespace {

double seconds(Nanos time) {
  return static_cast<double>(time.count()) / 1e9;
}

std::string threshold_text(std::uint64_t bytes) {
  return bytes >= (std::uint64_t{1} << 31) ? "none" : fmt::format("{} B", bytes);
}

// "7 small, 1 standby", in the order of the cores.
std::string roles_text(const std::vector<CoreRole>& roles) {
  std::string out;
  for (std::size_t i = 0; i < roles.size();) {
    std::size_t end = i;
    while (end < roles.size() && roles[end] == roles[i]) ++end;
    out += fmt::format("{}{} {}", out.empty() ? "" : ", ", end - i, name_of(roles[i]));
    i = end;
  }
  return out;
}

std::string latency_row(std::string_view name, const SimLatency& l) {
  return fmt::format("{:<7}{:>12}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}\n",
                     name, l.count, l.p50_us, l.p99_us, l.p999_us, l.mean_us, l.max_us,
                     l.mean_service_us, l.mean_slowdown);
}

std::string cores_text(const SimResult& result) {
  std::string out = fmt::format("\n{:<5}{:<11}{:>6}", "core", "role", "used");
  for (std::size_t a = 0; a < kSimActivities; ++a) {
    out += fmt::format("{:>9}", name_of(static_cast<SimActivity>(a)));
  }
  out += fmt::format("{:>11}{:>9}{:>12}{:>12}\n", "requests", "large", "packets in", "packets out");
  for (std::size_t i = 0; i < result.cores.size(); ++i) {
    const SimCore& core = result.cores[i];
    out += fmt::format("{:<5}{:<11}{:>5.1f}%", i, name_of(core.role), 100 * core.utilisation);
    for (const double share : core.share) out += fmt::format("{:>8.1f}%", 100 * share);
    out += fmt::format("{:>11}{:>9}{:>12}{:>12}\n", core.requests, core.large_requests,
                       core.packets_in, core.packets_out);
  }
  return out;
}

std::string time_text(const SimResult& result) {
  std::string out = "\nplans\n";
  constexpr std::size_t kShown = 20;
  for (std::size_t i = 0; i < result.plans.size(); ++i) {
    if (i == kShown) {
      out += fmt::format("  and {} more: see --json\n", result.plans.size() - kShown);
      break;
    }
    const SimPlan& plan = result.plans[i];
    out += fmt::format("  {:>9.4f} s  threshold {:<10}  {}\n", seconds(plan.at),
                       threshold_text(plan.threshold_bytes), roles_text(plan.roles));
  }
  if (result.timeline.empty()) return out;
  out += fmt::format("\n{:>11}{:>11}{:>10}{:>10}{:>10}{:>10}{:>12}{:>12}\n", "until s", "requests",
                     "p50 us", "p99 us", "small p99", "large p99", "large cores", "threshold");
  for (const SimPoint& point : result.timeline) {
    out += fmt::format("{:>11.4f}{:>11}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}{:>12}{:>12}\n",
                       seconds(point.until), point.requests, point.p50_us, point.p99_us,
                       point.small_p99_us, point.large_p99_us, point.large_cores,
                       threshold_text(point.threshold_bytes));
  }
  return out;
}

nlohmann::json latency_json(const SimLatency& l) {
  return {{"count", l.count},
          {"p50_us", l.p50_us},
          {"p90_us", l.p90_us},
          {"p99_us", l.p99_us},
          {"p999_us", l.p999_us},
          {"max_us", l.max_us},
          {"mean_us", l.mean_us},
          {"mean_error_us", l.mean_error_us},
          {"mean_wait_us", l.mean_wait_us},
          {"wait_error_us", l.wait_error_us},
          {"mean_service_us", l.mean_service_us},
          {"mean_slowdown", l.mean_slowdown}};
}

nlohmann::json core_json(const SimCore& core) {
  nlohmann::json share;
  for (std::size_t a = 0; a < kSimActivities; ++a) {
    share[std::string(name_of(static_cast<SimActivity>(a)))] = core.share[a];
  }
  return {{"role", name_of(core.role)},
          {"utilisation", core.utilisation},
          {"share", share},
          {"requests", core.requests},
          {"large_requests", core.large_requests},
          {"packets_in", core.packets_in},
          {"packets_out", core.packets_out},
          {"steps", core.steps}};
}

nlohmann::json plan_json(const SimPlan& plan) {
  nlohmann::json roles = nlohmann::json::array();
  for (const CoreRole role : plan.roles) roles.push_back(name_of(role));
  return {{"at_s", seconds(plan.at)},
          {"threshold_bytes", plan.threshold_bytes},
          {"small_cost_share", plan.small_cost_share},
          {"roles", roles}};
}

nlohmann::json point_json(const SimPoint& point) {
  return {{"until_s", seconds(point.until)},
          {"requests", point.requests},
          {"p50_us", point.p50_us},
          {"p99_us", point.p99_us},
          {"small_p99_us", point.small_p99_us},
          {"large_p99_us", point.large_p99_us},
          {"large_cores", point.large_cores},
          {"threshold_bytes", point.threshold_bytes}};
}

}  // namespace

std::string sim_report_text(const SimOptions& options, const SimResult& r) {
  std::string out = fmt::format(
      "{} on {} cores, profile {}, {:.4f} s of virtual time\n"
      "offered {:.3f} M requests/s, {:.1f} % of a capacity of {:.3f} (cores {:.3f}, link {}); mean "
      "service time {:.3f} us\n"
      "answered {:.3f} M requests/s; link used {:.1f} % in, {:.1f} % out\n",
      name_of(options.policy), options.cores, options.costs.name, seconds(r.virtual_time),
      r.offered_mops, 100 * r.offered_mops / r.capacity_mops, r.capacity_mops, r.cores_mops,
      r.link_mops == 0 ? "without limit" : fmt::format("{:.3f}", r.link_mops), r.mean_service_us,
      r.throughput_mops, 100 * r.link_in_share, 100 * r.link_out_share);
  const std::uint64_t failed = r.lost + r.busy + r.missed + r.unanswered;
  if (failed != 0) {
    out += fmt::format("not served: {} lost, {} refused as busy, {} missed, {} unanswered\n",
                       r.lost, r.busy, r.missed, r.unanswered);
  }
  out += fmt::format("\n{:<7}{:>12}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "us", "requests",
                     "p50", "p99", "p99.9", "mean", "max", "service", "slowdown");
  out += latency_row("all", r.all) + latency_row("small", r.small) + latency_row("large", r.large);
  return out + cores_text(r) + time_text(r) +
         fmt::format("\n{} events, digest {:016x}\n", r.events, r.digest);
}

nlohmann::json sim_report_json(const SimOptions& options, const SimResult& r) {
  nlohmann::json out = {{"policy", name_of(options.policy)},
                        {"profile", options.costs.name},
                        {"cores", options.cores},
                        {"seed", options.seed},
                        {"mean_service_us", r.mean_service_us},
                        {"cores_mops", r.cores_mops},
                        {"link_mops", r.link_mops},
                        {"capacity_mops", r.capacity_mops},
                        {"offered_mops", r.offered_mops},
                        {"throughput_mops", r.throughput_mops},
                        {"all", latency_json(r.all)},
                        {"small", latency_json(r.small)},
                        {"large", latency_json(r.large)},
                        {"lost", r.lost},
                        {"busy", r.busy},
                        {"missed", r.missed},
                        {"unanswered", r.unanswered},
                        {"virtual_s", seconds(r.virtual_time)},
                        {"link_in_share", r.link_in_share},
                        {"link_out_share", r.link_out_share},
                        {"events", r.events},
                        {"digest", fmt::format("{:016x}", r.digest)}};
  for (const char* const list : {"per_core", "plans", "timeline"}) {
    out[list] = nlohmann::json::array();
  }
  for (const SimCore& core : r.cores) out["per_core"].push_back(core_json(core));
  for (const SimPlan& plan : r.plans) out["plans"].push_back(plan_json(plan));
  for (const SimPoint& point : r.timeline) out["timeline"].push_back(point_json(point));
  return out;
}

}  // namespace minos
