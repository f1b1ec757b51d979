#include "experiment/what_if.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/check.h"
#include "base/limits.h"
#include "experiment/catalogue.h"
#include "experiment/sim_points.h"

namespace minos {
namespace {

constexpr auto kWhatIfProgressEvery = std::chrono::milliseconds(200);
constexpr unsigned kCoresFactor = 4;
constexpr double kPercentiles[] = {95, 99, 99.9};
constexpr std::uint32_t kQuanta[] = {4, 8, 16, 32, 64};

template <typename T>
void add_sorted(std::vector<T>& values, T value) {
  const auto at = std::ranges::lower_bound(values, value);
  if (at == values.end() || *at != value) values.insert(at, value);
}

SimOptions options_of(const SimOptions& base, const WhatIfVariant& variant) {
  SimOptions out = base;
  out.policy = variant.policy;
  out.cores = variant.cores;
  out.large_percentile = variant.large_percentile;
  out.quantum_packets = variant.quantum_packets;
  // A worker is left wherever there are two cores.
  const int dispatchers_max = std::max(variant.cores - 1, 1);
  out.dispatchers = static_cast<std::uint16_t>(std::min<int>(base.dispatchers, dispatchers_max));
  return out;
}

// What can be said without a request.
SimResult estimate_of(SimOptions options) {
  options.requests = 1;
  options.warmup_percent = 0;
  return simulate(options);
}

void add_point(WhatIf& what_if, const WhatIfVariant& variant) {
  if (what_if.find(variant) == nullptr) what_if.points.push_back({.variant = variant});
}

// Simulates the points of one round; later rounds depend on what came of earlier ones.
class WhatIfRunner {
 public:
  WhatIfRunner(WhatIf& what_if, unsigned jobs, const CampaignHooks& hooks)
      : what_if_(what_if), jobs_(jobs), hooks_(hooks), start_(std::chrono::steady_clock::now()) {}

  // Points that further rounds may want, besides those that there are.
  void expect(std::uint64_t more) { expected_ = what_if_.points.size() + more; }

  bool run_round() {
    next_.store(done_, std::memory_order_relaxed);
    const std::size_t end = what_if_.points.size();
    expected_ = std::max(expected_, end);
    std::vector<std::jthread> threads;
    const auto count = static_cast<unsigned>(std::min<std::size_t>(jobs_, end - done_));
    working_ = count;
    for (unsigned i = 0; i < count; ++i) threads.emplace_back([this, end] { work(end); });
    std::unique_lock lock(mutex_);
    for (bool ended = false; !ended;) {
      ended = changed_.wait_for(lock, kWhatIfProgressEvery, [this] { return working_ == 0; });
      tell(lock);
    }
    return !interrupted();
  }

  void finish() {
    std::unique_lock lock(mutex_);
    expected_ = done_;
    tell(lock);
  }

 private:
  bool interrupted() const {
    return hooks_.interrupted != nullptr && hooks_.interrupted->load(std::memory_order_relaxed);
  }

  void tell(std::unique_lock<std::mutex>& lock) {
    if (!hooks_.progress) return;
    const CampaignProgress progress{
        .done = done_, .total = expected_, .elapsed = std::chrono::steady_clock::now() - start_};
    lock.unlock();
    hooks_.progress(progress);
    lock.lock();
  }

  void work(std::size_t end) {
    for (;;) {
      const std::size_t mine = next_.fetch_add(1, std::memory_order_relaxed);
      if (mine >= end || interrupted()) break;
      measure(what_if_.points[mine]);
      const std::lock_guard lock(mutex_);
      ++done_;
    }
    const std::lock_guard lock(mutex_);
    --working_;
    changed_.notify_one();
  }

  void measure(WhatIfPoint& point) const {
    SimOptions options = options_of(what_if_.base, point.variant);
    const double mops = what_if_.capacity_mops(options.cores);
    const double load = options.rate_per_s / 1e6 / mops;
    point.overloaded = load >= 1;
    if (point.overloaded) {
      point.result.load = load;
      point.result.offered_mops = options.rate_per_s / 1e6;
      point.result.capacity_mops = mops;
      point.result.mean_service_us = what_if_.mean_service_us;
      return;
    }
    options.progress = [this](std::uint64_t, std::uint64_t) { return !interrupted(); };
    const PointSpec spec{.workload = {}, .policy = options.policy, .load = load};
    point.result = point_of(spec, options, simulate(options));
  }

  WhatIf& what_if_;
  unsigned jobs_;
  const CampaignHooks& hooks_;
  std::chrono::steady_clock::time_point start_;
  std::atomic<std::size_t> next_ = 0;
  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::size_t done_ = 0;
  std::size_t expected_ = 0;
  unsigned working_ = 0;
};

struct CoresGap {
  std::uint16_t broken = 0;  // the most cores below `kept` that break the SLO, or 0
  std::uint16_t kept = 0;    // the fewest that keep it, of those simulated; 0: none
};

CoresGap gap_of(const WhatIf& what_if, PolicyKind policy) {
  CoresGap gap;
  std::vector<const WhatIfPoint*> points;
  for (const WhatIfPoint& point : what_if.points) {
    WhatIfVariant variant = what_if.present;
    variant.policy = policy;
    variant.cores = point.variant.cores;
    if (point.variant == variant) points.push_back(&point);
  }
  std::ranges::sort(points, {}, [](const WhatIfPoint* point) { return point->variant.cores; });
  for (const WhatIfPoint* point : points) {
    if (point->fine()) {
      gap.kept = point->variant.cores;
      break;
    }
    gap.broken = point->variant.cores;
  }
  return gap;
}

// Halves every gap; false when there is none left.
bool add_halves(WhatIf& what_if) {
  const std::size_t before = what_if.points.size();
  for (const PolicyKind policy : compared_policies()) {
    const CoresGap gap = gap_of(what_if, policy);
    if (gap.kept <= gap.broken + 1) continue;
    WhatIfVariant variant = what_if.present;
    variant.policy = policy;
    variant.cores = static_cast<std::uint16_t>((gap.kept + gap.broken) / 2);
    add_point(what_if, variant);
  }
  return what_if.points.size() != before;
}

// As many halves as there may be.
std::uint64_t halves_max(const WhatIf& what_if) {
  std::uint64_t steps = 0;
  for (const PolicyKind policy : compared_policies()) {
    const CoresGap gap = gap_of(what_if, policy);
    if (gap.kept > gap.broken) steps += std::bit_width(gap.kept - gap.broken - 1U);
  }
  return steps;
}

// The policy that needs the fewest cores.
PolicyKind thriftiest(const WhatIf& what_if) {
  PolicyKind out = compared_policies().front();
  for (const PolicyKind policy : compared_policies()) {
    const auto least = what_if.least_cores(policy);
    const auto before = what_if.least_cores(out);
    if (least && (!before || *least < *before)) out = policy;
  }
  return out;
}

std::string cores_text(unsigned cores) {
  return cores == 1 ? "1 core" : fmt::format("{} cores", cores);
}

}  // namespace

double small_p99_us(const PointResult& result) {
  return result.small.count != 0 ? result.small.p99_us : result.all.p99_us;
}

const WhatIfPoint* WhatIf::find(const WhatIfVariant& variant) const {
  const auto found = std::ranges::find(points, variant, &WhatIfPoint::variant);
  return found == points.end() ? nullptr : &*found;
}

const WhatIfPoint* WhatIf::find(PolicyKind policy, std::uint16_t cores_wanted) const {
  WhatIfVariant variant = present;
  variant.policy = policy;
  variant.cores = cores_wanted;
  return find(variant);
}

double WhatIf::capacity_mops(std::uint16_t cores_wanted) const {
  const double cores_mops = cores_wanted / mean_service_us;
  return link_mops == 0 ? cores_mops : std::min(cores_mops, link_mops);
}

const WhatIfPoint* WhatIf::best() const {
  const WhatIfPoint* best = nullptr;
  for (const PolicyKind policy : compared_policies()) {
    const WhatIfPoint* const point = find(policy, present.cores);
    if (point == nullptr || point->overloaded || !answers(point->result)) continue;
    if (best == nullptr || small_p99_us(point->result) < small_p99_us(best->result)) best = point;
  }
  return best;
}

std::optional<std::uint16_t> WhatIf::least_cores(PolicyKind policy) const {
  const CoresGap gap = gap_of(*this, policy);
  return gap.kept == 0 ? std::nullopt : std::optional(gap.kept);
}

std::expected<WhatIf, std::string> plan_what_if(const SimOptions& base) {
  WhatIf out{.base = base,
             .mean_service_us = 0,
             .link_mops = 0,
             .present = {base.policy, base.cores, base.large_percentile, base.quantum_packets},
             .cores = {base.cores},
             .percentiles = {base.large_percentile},
             .quanta = {base.quantum_packets},
             .points = {}};
  // In the ideal profile dispatchers come on top.
  const unsigned room = kWorkersMax - (base.costs.ideal ? base.dispatchers : 0);
  const unsigned cores_max = std::min(kCoresFactor * base.cores, room);
  for (unsigned cores = 1; cores <= cores_max; cores *= 2) {
    add_sorted(out.cores, static_cast<std::uint16_t>(cores));
  }
  for (const double percentile : kPercentiles) add_sorted(out.percentiles, percentile);
  for (const std::uint32_t packets : kQuanta) add_sorted(out.quanta, packets);

  add_point(out, out.present);
  for (const PolicyKind policy : compared_policies()) {
    for (const std::uint16_t cores : out.cores) {
      WhatIfVariant variant = out.present;
      variant.policy = policy;
      variant.cores = cores;
      add_point(out, variant);
    }
  }
  for (const PolicyKind policy : size_aware_policies()) {
    WhatIfVariant variant = out.present;
    variant.policy = policy;
    for (const double percentile : out.percentiles) {
      variant.large_percentile = percentile;
      add_point(out, variant);
    }
  }
  WhatIfVariant variant = out.present;
  variant.policy = PolicyKind::kElastic;
  for (const std::uint32_t packets : out.quanta) {
    variant.quantum_packets = packets;
    add_point(out, variant);
  }
  for (const WhatIfPoint& point : out.points) {
    const auto checked = check_sim_options(options_of(base, point.variant));
    if (!checked) return std::unexpected(checked.error());
  }
  const SimResult estimate = estimate_of(options_of(base, out.present));
  out.mean_service_us = estimate.mean_service_us;
  out.link_mops = estimate.link_mops;
  if (base.rate_per_s == 0) out.base.rate_per_s = base.load * estimate.capacity_mops * 1e6;
  return out;
}

bool run_what_if(WhatIf& what_if, unsigned jobs, const CampaignHooks& hooks) {
  CHECK(jobs > 0);
  WhatIfRunner runner(what_if, jobs, hooks);
  runner.expect(compared_policies().size());
  do {
    if (!runner.run_round()) return false;
    const bool more = add_halves(what_if);
    if (!more) break;
    runner.expect(halves_max(what_if));
  } while (true);
  runner.finish();
  return true;
}

std::string what_if_sentence(const WhatIf& what_if) {
  const unsigned cores = what_if.present.cores;
  const PointResult& now = what_if.now().result;
  const WhatIfPoint* const best = what_if.best();
  if (what_if.link_overloaded()) {
    return fmt::format(
        "This load, {:.4f} M requests/s, is more than a link of {} Gb/s can carry, {:.4f} M.",
        now.offered_mops, what_if.base.link_gbit_s, what_if.link_mops);
  }
  const PolicyKind policy = best == nullptr ? thriftiest(what_if) : best->variant.policy;
  std::string out;
  if (best == nullptr) {
    out = fmt::format("On {} this load, {:.4f} M requests/s, is more than any policy can serve",
                      cores_text(cores), now.offered_mops);
  } else {
    out = fmt::format("On {} the best policy for small requests is {}, with a p99 of {:.1f} us",
                      cores_text(cores), name_of(policy), small_p99_us(best->result));
  }
  if (best != nullptr && best != &what_if.now() && !what_if.now().overloaded) {
    out += fmt::format(", where {} has {:.1f}", name_of(what_if.present.policy), small_p99_us(now));
  }
  const auto least = what_if.least_cores(policy);
  const std::string promise = fmt::format("p99 of all within {:.0f} mean service times, {:.1f} us",
                                          kSloServiceTimes, kSloServiceTimes * now.mean_service_us);
  return least ? fmt::format("{}; under {} it takes {} to keep {}.", out, name_of(policy),
                             cores_text(*least), promise)
               : fmt::format("{}; under {} not even {} keep {}.", out, name_of(policy),
                             cores_text(what_if.cores.back()), promise);
}

}  // namespace minos
