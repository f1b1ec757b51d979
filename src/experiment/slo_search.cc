#include "experiment/slo_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace minos {
namespace {

constexpr double kRounding = 1 + 1e-9;

}  // namespace

SloSearch::SloSearch(std::vector<double> grid, double resolution)
    : grid_(std::move(grid)), resolution_(resolution) {
  CHECK(resolution > 0);
  CHECK(std::ranges::is_sorted(grid_));
}

std::optional<double> SloSearch::next() const {
  if (tried_ < grid_.size()) return grid_[tried_];
  if (broken_ - kept_ <= resolution_ * kRounding) return std::nullopt;
  return (kept_ + broken_) / 2;
}

void SloSearch::record(bool kept) {
  const std::optional<double> load = next();
  CHECK(load.has_value());
  ++tried_;
  if (!kept) {
    broken_ = std::min(broken_, *load);
  } else if (*load < broken_) {
    kept_ = *load;
  }
}

unsigned SloSearch::tries_max(const std::vector<double>& grid, double resolution) {
  double below = 0;
  double widest = 0;
  for (const double load : grid) {
    widest = std::max(widest, load - below);
    below = load;
  }
  widest = std::max(widest, 1 - below);
  const double halvings = std::max(0.0, std::ceil(std::log2(widest / resolution)));
  return static_cast<unsigned>(grid.size()) + static_cast<unsigned>(halvings);
}

}  // namespace minos
