#pragma once

#include <string>
#include <vector>

namespace minos {

// One axis of a plot: what it shows, and how its values map to a length.
struct Axis {
  std::string label{};  // with the unit
  bool logarithmic = false;
  bool whole = false;  // linear, of values that have no fractions
  double min = 0;      // above 0 where logarithmic
  double max = 1;      // above min
};

struct Tick {
  double value = 0;
  std::string label{};  // empty: a mark without a number
};

// Where `value` lies on the axis: 0 at its min, 1 at its max, and beyond these outside.
double position_on(const Axis& axis, double value);

// Linear: 4 to 10 round values (1, 2 or 5 times a power of ten apart). Logarithmic: every power of
// ten with a number, and 2 and 5 times that with one where the axis spans three decades or fewer.
std::vector<Tick> ticks_of(const Axis& axis);

// The number as people write it: 0.02, 5, 1200; from a million on 1e6.
std::string tick_label(double value);

// Stretches [min, max] to whole ticks. Logarithmic: to the 1, 2 or 5 next to it.
Axis rounded_out(Axis axis);

}  // namespace minos
