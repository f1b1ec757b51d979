#include "sim/least_squares.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>

namespace minos {

namespace {

// What is left of a column of length 1 without the columns before it: with less it says nothing
// of its own.
constexpr double kIndependent = 1e-10;
// Of the largest possible gain: less is rounding.
constexpr double kGain = 1e-12;

// Lawson and Hanson's active set, on the normal equations of columns scaled to length 1.
class NonNegativeSolver {
 public:
  NonNegativeSolver(std::span<const double> rows, std::span<const double> right,
                    std::size_t columns)
      : n_(columns), square_(n_ * n_), right_(n_), scale_(n_), x_(n_), used_(n_), barred_(n_) {
    for (std::size_t at = 0; at < rows.size(); ++at) scale_[at % n_] += rows[at] * rows[at];
    for (double& scale : scale_) scale = scale > 0 ? 1 / std::sqrt(scale) : 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
      const std::span<const double> row = rows.subspan(i * n_, n_);
      for (std::size_t j = 0; j < n_; ++j) {
        const double scaled = row[j] * scale_[j];
        right_[j] += scaled * right[i];
        for (std::size_t k = 0; k < n_; ++k) square_[j * n_ + k] += scaled * row[k] * scale_[k];
      }
    }
  }

  std::vector<double> solve() {
    // Every column comes in and falls out again a few times at most; the bound is for rounding.
    for (std::size_t round = 0; round < 10 * n_; ++round) {
      const std::optional<std::size_t> best = best_unused();
      if (!best) break;
      used_[*best] = true;
      settle();
      if (!used_[*best]) barred_[*best] = true;
    }
    std::vector<double> out(n_);
    for (std::size_t j = 0; j < n_; ++j) out[j] = x_[j] * scale_[j];
    return out;
  }

 private:
  // The column that would lower the sum of squares fastest; none where none would.
  std::optional<std::size_t> best_unused() const {
    std::optional<std::size_t> best;
    double most = kGain * *std::ranges::max_element(right_);
    for (std::size_t j = 0; j < n_; ++j) {
      if (used_[j] || barred_[j]) continue;
      double gain = right_[j];
      for (std::size_t k = 0; k < n_; ++k) gain -= square_[j * n_ + k] * x_[k];
      if (gain <= most) continue;
      most = gain;
      best = j;
    }
    return best;
  }

  // Goes to the least squares of the columns in use; those that would be negative fall out.
  void settle() {
    while (true) {
      const std::vector<double> wanted = least_squares();
      double step = 1;
      for (std::size_t j = 0; j < n_; ++j) {
        if (used_[j] && wanted[j] <= 0) step = std::min(step, x_[j] / (x_[j] - wanted[j]));
      }
      bool fell_out = false;
      for (std::size_t j = 0; j < n_; ++j) {
        if (!used_[j]) continue;
        x_[j] += step * (wanted[j] - x_[j]);
        if (wanted[j] > 0 || x_[j] > kIndependent * std::abs(wanted[j])) continue;
        x_[j] = 0;
        used_[j] = false;
        fell_out = true;
      }
      if (!fell_out) return;
    }
  }

  // Of the columns in use, whatever the sign, by Cholesky's decomposition; 0 for the others and for
  // one that the ones before it explain.
  std::vector<double> least_squares() const {
    std::vector<std::size_t> columns;
    std::vector<double> factor(n_ * n_);  // lower triangle, by places in `columns`
    std::vector<double> y;
    for (std::size_t j = 0; j < n_; ++j) {
      if (!used_[j]) continue;
      const std::size_t row = columns.size();
      double own = 1;
      double right = right_[j];
      for (std::size_t c = 0; c < row; ++c) {
        double sum = square_[j * n_ + columns[c]];
        for (std::size_t k = 0; k < c; ++k) sum -= factor[row * n_ + k] * factor[c * n_ + k];
        const double entry = sum / factor[c * n_ + c];
        factor[row * n_ + c] = entry;
        own -= entry * entry;
        right -= entry * y[c];
      }
      if (own < kIndependent) continue;
      factor[row * n_ + row] = std::sqrt(own);
      y.push_back(right / factor[row * n_ + row]);
      columns.push_back(j);
    }
    std::vector<double> out(n_);
    for (std::size_t row = columns.size(); row-- > 0;) {
      double value = y[row];
      for (std::size_t below = row + 1; below < columns.size(); ++below) {
        value -= factor[below * n_ + row] * out[columns[below]];
      }
      out[columns[row]] = value / factor[row * n_ + row];
    }
    return out;
  }

  std::size_t n_;
  std::vector<double> square_;  // columns times columns
  std::vector<double> right_;   // columns times the right side
  std::vector<double> scale_;   // 0: a column of nothing
  std::vector<double> x_;       // of scaled columns
  std::vector<bool> used_;
  std::vector<bool> barred_;  // fell out as soon as it came in
};

}  // namespace

std::vector<double> non_negative_least_squares(std::span<const double> rows,
                                               std::span<const double> right, std::size_t columns) {
  if (columns == 0) return {};
  return NonNegativeSolver(rows, right, columns).solve();
}

}  // namespace minos
