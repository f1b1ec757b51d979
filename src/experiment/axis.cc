#include "experiment/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"

namespace minos {
namespace {

constexpr std::array kMantissas = {1.0, 2.0, 5.0};
constexpr int kLinearTicksMax = 9;          // besides the first
constexpr double kNumberedDecades = 3.001;  // up to here 2 and 5 have numbers too
constexpr double kSlack = 1e-9;  // of a step: what rounding may do to a value that is a tick

double linear_step(const Axis& axis) {
  const double span = axis.max - axis.min;
  const double decade = std::pow(10.0, std::floor(std::log10(span / kLinearTicksMax)));
  for (const double mantissa : kMantissas) {
    const double step = decade * mantissa;
    if (axis.whole && step < 1) continue;
    if (span / step <= kLinearTicksMax + kSlack) return step;
  }
  return axis.whole ? std::max(decade * 10, 1.0) : decade * 10;
}

std::vector<Tick> linear_ticks(const Axis& axis) {
  const double step = linear_step(axis);
  std::vector<Tick> ticks;
  const auto first = static_cast<long>(std::ceil(axis.min / step - kSlack));
  const auto last = static_cast<long>(std::floor(axis.max / step + kSlack));
  for (long i = first; i <= last; ++i) {
    const double value = static_cast<double>(i) * step;
    ticks.push_back({.value = value, .label = tick_label(value)});
  }
  return ticks;
}

std::vector<Tick> log_ticks(const Axis& axis) {
  const bool numbers_between = std::log10(axis.max / axis.min) <= kNumberedDecades;
  std::vector<Tick> ticks;
  const int first = static_cast<int>(std::floor(std::log10(axis.min)));
  const int last = static_cast<int>(std::ceil(std::log10(axis.max)));
  for (int exponent = first; exponent <= last; ++exponent) {
    for (const double mantissa : kMantissas) {
      const double value = mantissa * std::pow(10.0, exponent);
      if (value < axis.min * (1 - kSlack) || value > axis.max * (1 + kSlack)) continue;
      const bool number = mantissa == 1 || numbers_between;
      ticks.push_back({.value = value, .label = number ? tick_label(value) : ""});
    }
  }
  return ticks;
}

// The largest of 1, 2, 5 times a power of ten that is not above `value`.
double log_floor(double value) {
  const double decade = std::pow(10.0, std::floor(std::log10(value * (1 + kSlack))));
  double best = decade;
  for (const double mantissa : kMantissas) {
    if (decade * mantissa <= value * (1 + kSlack)) best = decade * mantissa;
  }
  return best;
}

double log_ceil(double value) {
  const double below = log_floor(value);
  if (below >= value * (1 - kSlack)) return below;
  const double decade = std::pow(10.0, std::floor(std::log10(below * (1 + kSlack))));
  for (const double mantissa : kMantissas) {
    if (decade * mantissa > below * (1 + kSlack)) return decade * mantissa;
  }
  return decade * 10;
}

}  // namespace

double position_on(const Axis& axis, double value) {
  if (!axis.logarithmic) return (value - axis.min) / (axis.max - axis.min);
  return std::log(value / axis.min) / std::log(axis.max / axis.min);
}

std::vector<Tick> ticks_of(const Axis& axis) {
  CHECK(axis.max > axis.min && (!axis.logarithmic || axis.min > 0));
  return axis.logarithmic ? log_ticks(axis) : linear_ticks(axis);
}

std::string tick_label(double value) {
  if (std::abs(value) < 1e-12) return "0";
  if (std::abs(value) >= 1e6 || std::abs(value) < 1e-4) {
    const int exponent = static_cast<int>(std::floor(std::log10(std::abs(value)) + kSlack));
    return fmt::format("{:.3g}e{}", value / std::pow(10.0, exponent), exponent);
  }
  return fmt::format("{:.6g}", value);
}

Axis rounded_out(Axis axis) {
  if (axis.logarithmic) {
    axis.min = log_floor(axis.min);
    axis.max = log_ceil(axis.max);
    if (axis.max <= axis.min) axis.max = axis.min * 10;
    return axis;
  }
  if (axis.max <= axis.min) axis.max = axis.min + 1;
  // The longer span may want longer steps, which stretch it again.
  for (double step = 0; step != linear_step(axis);) {
    step = linear_step(axis);
    axis.min = std::floor(axis.min / step + kSlack) * step;
    axis.max = std::ceil(axis.max / step - kSlack) * step;
  }
  return axis;
}

}  // namespace minos
