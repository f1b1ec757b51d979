#pragma once

#include <span>
#include <vector>

namespace minos {

// The x, none of it negative, for which the sum of squares of rows * x - right is least. Each row
// has `columns` entries, one after another. Exact but for rounding where columns are independent;
// of columns that say the same, one is used. Deterministic.
std::vector<double> non_negative_least_squares(std::span<const double> rows,
                                               std::span<const double> right, std::size_t columns);

}  // namespace minos
