#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "experiment/axis.h"

namespace minos {

struct PlotPoint {
  double x = 0;
  double y = 0;
};

struct PlotSeries {
  std::string name{};
  unsigned style = 0;  // colour, dashes and marker; the same for the same thing in every plot
  std::vector<PlotPoint> points{};  // ascending x
};

enum class PlotKind : std::uint8_t {
  kLines,  // points joined
  kSteps,  // a value holds until the next point
  kBars,   // side by side at each whole x, from the bottom of the plot
};

// A line across the plot at a value that has a name.
struct PlotRule {
  double value = 0;
  std::string label{};
};

struct Plot {
  std::string title{};
  Axis x{};
  Axis y{};
  PlotKind kind = PlotKind::kLines;
  std::vector<PlotSeries> series{};
  std::optional<PlotRule> y_rule{};  // horizontal
  std::vector<PlotRule> x_rules{};   // vertical
};

// Sets the ranges of both axes to what the series and rules need. Linear axes of bars and y axes
// start at 0. A logarithmic axis shows at most `decades_max` powers of ten, from the bottom on:
// what lies above leaves the plot, and a table is the place to tell by how much.
void fit_axes(Plot& plot, double decades_max = 4);

// A whole <svg> element, drawn for black and white print and for people who do not see all colours:
// colours of Okabe and Ito, and beside them dashes and markers. Points that a logarithmic axis
// cannot show (0 and below) are left out.
std::string svg_of(const Plot& plot);

}  // namespace minos
