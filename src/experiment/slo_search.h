#pragma once

#include <optional>
#include <vector>

namespace minos {

// Finds the highest load that keeps a promise: first every load of a grid, then halves of the gap
// between the last one that keeps it before the first that breaks it, until the gap is as narrow as
// wanted. Load 0 counts as kept and load 1 as broken, without a try. Where the promise is kept
// again above a load that breaks it, the lower range counts. Pure; one owner.
class SloSearch {
 public:
  // `grid` ascending, in (0, 1); resolution in (0, 1).
  SloSearch(std::vector<double> grid, double resolution);

  // The load to try next; nothing once the answer is known.
  std::optional<double> next() const;

  // What came of next().
  void record(bool kept);

  // The highest load known to keep the promise, 0 if none. An answer once next() gives nothing.
  double best() const { return kept_; }

  // As many tries as a search needs at most.
  static unsigned tries_max(const std::vector<double>& grid, double resolution);

 private:
  std::vector<double> grid_;
  double resolution_;
  std::size_t tried_ = 0;
  double kept_ = 0;
  double broken_ = 1;
};

}  // namespace minos
