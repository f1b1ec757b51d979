#include "sharding/size_controller.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/limits.h"

namespace minos {

namespace {

constexpr std::uint64_t kBytesMax = std::numeric_limits<std::uint64_t>::max();

// A share of 3/8 of 8 cores is 3 cores, whatever the last bit of the quotient says.
constexpr double kRoundingCores = 1e-9;

// Every large core gets at least one size beyond the last class (see cut_large_ranges).
static_assert(kBytesMax - upper_bytes(kSizeClasses - 1) > kWorkersMax);

// Of all requests of a class, each taken as one of its middle size.
double class_cost(const SmoothedSizes& sizes, SizeClass size_class, CostUnit unit) {
  const std::uint64_t middle = (lower_bytes(size_class) + upper_bytes(size_class)) / 2;
  return sizes.weight(size_class) * static_cast<double>(request_cost(unit, middle));
}

}  // namespace

SizeController::SizeController(const ControllerOptions& options)
    : options_(options), smoothed_(options.smoothing) {
  CHECK(options.cores >= 1 && options.cores <= kWorkersMax);
  CHECK(options.large_percentile > 0 && options.large_percentile < 100);
  CHECK(options.policy != PolicyKind::kSoftwareHandoff || options.cores == 1 ||
        (options.dispatchers >= 1 && options.dispatchers < options.cores));
}

CorePlan SizeController::initial() const {
  const int n = options_.cores;
  return build(kBytesMax, 1.0,
               static_cast<std::uint16_t>(options_.policy == PolicyKind::kElastic ? n - 1 : n));
}

CorePlan SizeController::next(const SizeHistogram& epoch, std::uint64_t version) {
  smoothed_.add(epoch);
  CorePlan plan = initial();
  if (!smoothed_.empty()) {
    const std::uint64_t threshold_bytes =
        std::max(smoothed_.threshold_bytes(options_.large_percentile),
                 upper_bytes(size_class_of(options_.threshold_min_bytes)));
    const double share = small_share(threshold_bytes);
    small_cores_ = small_cores(share);
    plan = build(threshold_bytes, share, *small_cores_);
  }
  plan.version = version + 1;
  return plan;
}

double SizeController::small_share(std::uint64_t threshold_bytes) const {
  double small = 0;
  double all = 0;
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    const double cost = class_cost(smoothed_, i, options_.cost);
    all += cost;
    if (upper_bytes(i) <= threshold_bytes) small += cost;
  }
  return small / all;
}

std::uint16_t SizeController::small_cores(double small_share) const {
  const bool elastic = options_.policy == PolicyKind::kElastic;
  const int n = options_.cores;
  const double x = n * small_share;
  if (small_cores_.has_value()) {
    // floor(x) is r for x in [r, r + 1), ceil(x) is r for x in (r - 1, r].
    const double lowest = elastic ? *small_cores_ : *small_cores_ - 1;
    if (x >= lowest - kRoleHysteresisCores && x <= lowest + 1 + kRoleHysteresisCores) {
      return *small_cores_;
    }
  }
  const double whole = elastic ? std::floor(x + kRoundingCores) : std::ceil(x - kRoundingCores);
  const int least = elastic ? 0 : 1;
  return static_cast<std::uint16_t>(std::clamp(static_cast<int>(whole), least, n - 1 + least));
}

// `small` is n_s under size-aware, the number of reserved cores under elastic, unused under the
// policies that are blind to size.
CorePlan SizeController::build(std::uint64_t threshold_bytes, double small_share,
                               std::uint16_t small) const {
  CorePlan plan;
  plan.threshold_bytes = threshold_bytes;
  plan.small_cost_share = small_share;
  plan.cores.resize(options_.cores);
  switch (options_.policy) {
    case PolicyKind::kKeyHash:
    case PolicyKind::kWorkStealing:
      return plan;
    case PolicyKind::kSoftwareHandoff:
      if (options_.cores == 1) return plan;  // nobody to hand to
      for (std::uint16_t i = 0; i < options_.cores; ++i) {
        plan.cores[i].role = i < options_.dispatchers ? CoreRole::kDispatcher : CoreRole::kWorker;
      }
      return plan;
    case PolicyKind::kElastic:
    case PolicyKind::kSizeAware:
      break;
  }
  for (std::uint16_t i = 0; i < options_.cores; ++i) {
    const CoreRole rest =
        options_.policy == PolicyKind::kElastic ? CoreRole::kElastic : CoreRole::kLarge;
    plan.cores[i].role = i < small ? CoreRole::kSmall : rest;
  }
  if (small == options_.cores) plan.cores.back().role = CoreRole::kStandby;
  cut_large_ranges(plan);
  return plan;
}

// Core k of m ends where the cost of the sizes from the threshold on reaches k / m of the whole.
// The cut is moved up where it would leave a core without any size, which happens when most of the
// cost sits in a few sizes.
void SizeController::cut_large_ranges(CorePlan& plan) const {
  if (plan.threshold_bytes == kBytesMax) {  // nothing is large; a range must say something
    plan.cores.back().large_range = {kBytesMax, kBytesMax};
    return;
  }
  const auto first = static_cast<std::size_t>(plan.count(CoreRole::kSmall));
  const std::size_t owners = plan.cores.size() - first;
  SizeClass size_class = size_class_of(plan.threshold_bytes) + 1;
  double total = 0;
  for (SizeClass i = size_class; i < kSizeClasses; ++i) {
    total += class_cost(smoothed_, i, options_.cost);
  }
  double below = 0;  // cost of the large classes below size_class
  std::uint64_t min_bytes = plan.threshold_bytes + 1;
  for (std::size_t k = 1; k < owners; ++k) {
    const double wanted = total * static_cast<double>(k) / static_cast<double>(owners);
    double cost = 0;
    for (; size_class < kSizeClasses; ++size_class) {
      cost = class_cost(smoothed_, size_class, options_.cost);
      if (cost > 0 && below + cost >= wanted) break;
      below += cost;
    }
    std::uint64_t max_bytes = min_bytes;
    if (size_class < kSizeClasses) {
      const std::uint64_t lower = lower_bytes(size_class);
      const auto width = static_cast<double>(upper_bytes(size_class) + 1 - lower);
      const double part = std::clamp((wanted - below) / cost, 0.0, 1.0);
      max_bytes =
          std::max(max_bytes, lower + static_cast<std::uint64_t>(std::llround(part * width)) - 1);
    }
    plan.cores[first + k - 1].large_range = {min_bytes, max_bytes};
    min_bytes = max_bytes + 1;
  }
  plan.cores.back().large_range = {min_bytes, kBytesMax};
}

}  // namespace minos
