#include "experiment/plot.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace minos {
namespace {

using testing::HasSubstr;
using testing::Not;

Plot two_lines() {
  return {.title = "p99 & load",
          .x = {.label = "load (%)"},
          .y = {.label = "p99 (µs)", .logarithmic = true},
          .series = {{.name = "a<b", .style = 0, .points = {{10, 1}, {90, 40}}},
                     {.name = "other", .style = 1, .points = {{10, 2}, {90, 0}}}}};
}

std::size_t occurrences(const std::string& text, const std::string& of) {
  std::size_t count = 0;
  for (auto at = text.find(of); at != std::string::npos; at = text.find(of, at + 1)) ++count;
  return count;
}

TEST(Plot, FitsAxesToDataAndRules) {
  Plot plot = two_lines();
  plot.y_rule = {.value = 300, .label = "limit"};
  fit_axes(plot);
  EXPECT_DOUBLE_EQ(plot.x.min, 10);
  EXPECT_DOUBLE_EQ(plot.x.max, 90);
  EXPECT_DOUBLE_EQ(plot.y.min, 1);
  EXPECT_DOUBLE_EQ(plot.y.max, 500);
}

TEST(Plot, CutsALongLogarithmicAxis) {
  Plot plot = two_lines();
  plot.series[0].points.push_back({95, 1e9});
  fit_axes(plot, 3);
  EXPECT_DOUBLE_EQ(plot.y.max, 1000);
  plot.y.logarithmic = false;
  fit_axes(plot);
  EXPECT_DOUBLE_EQ(plot.y.min, 0);
  EXPECT_GE(plot.y.max, 1e9);
}

TEST(Plot, DrawsEachSeriesOnceAndLeavesOutWhatALogarithmCannotShow) {
  Plot plot = two_lines();
  fit_axes(plot);
  const std::string svg = svg_of(plot);
  EXPECT_EQ(occurrences(svg, "class=\"series\""), 2U);
  EXPECT_EQ(occurrences(svg, "class=\"axis-label\""), 2U);
  EXPECT_EQ(occurrences(svg, "class=\"legend\""), 2U);
  EXPECT_EQ(occurrences(svg, "scale(4)"), 3U + 2U);  // markers of points, and of the legend
  EXPECT_THAT(svg, HasSubstr("a&lt;b"));
  EXPECT_THAT(svg, HasSubstr("p99 &amp; load"));
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, Not(HasSubstr("inf ")));
}

TEST(Plot, PutsPointsWhereTheyBelong) {
  Plot plot{.title = "",
            .x = {.label = "x", .min = 0, .max = 10},
            .y = {.label = "y", .min = 0, .max = 10},
            .series = {{.name = "s", .style = 0, .points = {{0, 0}, {10, 10}}}}};
  EXPECT_THAT(svg_of(plot), HasSubstr("d=\"M70.0 345.0L520.0 40.0\""));
  plot.kind = PlotKind::kSteps;
  EXPECT_THAT(svg_of(plot), HasSubstr("d=\"M70.0 345.0H520.0V40.0\""));
}

TEST(Plot, ALineLeavesAtTheTopAndComesBack) {
  const Plot plot{.title = "",
                  .x = {.label = "x", .min = 0, .max = 10},
                  .y = {.label = "y", .min = 0, .max = 10},
                  .series = {{.name = "s", .style = 0, .points = {{0, 0}, {5, 20}, {10, 0}}}}};
  EXPECT_THAT(svg_of(plot), HasSubstr("d=\"M70.0 345.0L182.5 40.0M407.5 40.0L520.0 345.0\""));
}

TEST(Plot, BarsOfOneGroupStandSideBySide) {
  Plot plot{.title = "",
            .x = {.label = "core"},
            .y = {.label = "requests"},
            .kind = PlotKind::kBars,
            .series = {{.name = "a", .style = 0, .points = {{0, 5}, {1, 5}}},
                       {.name = "b", .style = 1, .points = {{0, 5}, {1, 0}}}}};
  fit_axes(plot);
  EXPECT_DOUBLE_EQ(plot.x.min, -0.5);
  EXPECT_DOUBLE_EQ(plot.x.max, 1.5);
  // Groups are 225 wide, 84 % of that is drawn: two bars of 94.5 around the core's middle at 182.5.
  EXPECT_THAT(svg_of(plot), HasSubstr("d=\"M88.0 345.0V"));
  EXPECT_THAT(svg_of(plot), HasSubstr("d=\"M182.5 345.0V"));
}

TEST(Plot, ManyPointsWearFewMarkers) {
  Plot plot{.title = "", .x = {.label = "x"}, .y = {.label = "y"}};
  plot.series.push_back({.name = "s", .style = 0});
  for (int i = 0; i < 1000; ++i) plot.series[0].points.push_back({i * 1.0, 1.0});
  fit_axes(plot);
  EXPECT_LE(occurrences(svg_of(plot), "scale(4)"), 17U);
}

TEST(Plot, NothingToShowIsStillAPlot) {
  Plot plot{.title = "empty", .x = {.label = "x"}, .y = {.label = "y", .logarithmic = true}};
  fit_axes(plot);
  EXPECT_EQ(occurrences(svg_of(plot), "class=\"axis-label\""), 2U);
}

}  // namespace
}  // namespace minos
