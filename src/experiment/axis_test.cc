#include "experiment/axis.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace minos {
namespace {

using testing::ElementsAre;

std::vector<std::string> axis_labels(const Axis& axis) {
  std::vector<std::string> labels;
  for (const Tick& tick : ticks_of(axis)) labels.push_back(tick.label);
  return labels;
}

TEST(Axis, LinearTicksAreRound) {
  EXPECT_THAT(axis_labels({.label = "", .min = 0, .max = 100}),
              ElementsAre("0", "20", "40", "60", "80", "100"));
  EXPECT_THAT(axis_labels({.label = "", .min = 0, .max = 0.8}),
              ElementsAre("0", "0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8"));
  EXPECT_THAT(axis_labels({.label = "", .min = -3, .max = 4}),
              ElementsAre("-3", "-2", "-1", "0", "1", "2", "3", "4"));
}

TEST(Axis, WholeNumbersHaveNoTicksBetween) {
  EXPECT_THAT(axis_labels({.label = "", .whole = true, .min = 0, .max = 3}),
              ElementsAre("0", "1", "2", "3"));
  EXPECT_THAT(axis_labels({.label = "", .whole = true, .min = 0, .max = 1}), ElementsAre("0", "1"));
  EXPECT_DOUBLE_EQ(rounded_out({.label = "", .whole = true, .min = 0, .max = 0}).max, 1);
}

TEST(Axis, AnyLinearSpanHasFourToElevenTicks) {
  for (double max = 0.013; max < 1e7; max *= 1.37) {
    const std::size_t count = axis_labels({.label = "", .min = 0, .max = max}).size();
    EXPECT_GE(count, 4U) << max;
    EXPECT_LE(count, 11U) << max;
  }
}

TEST(Axis, LogarithmicTicksNumberDecadesAndLessOnlyOnShortAxes) {
  EXPECT_THAT(axis_labels({.label = "", .logarithmic = true, .min = 1, .max = 100}),
              ElementsAre("1", "2", "5", "10", "20", "50", "100"));
  EXPECT_THAT(axis_labels({.label = "", .logarithmic = true, .min = 0.5, .max = 1e4}),
              ElementsAre("", "1", "", "", "10", "", "", "100", "", "", "1000", "", "", "10000"));
}

TEST(Axis, Positions) {
  const Axis linear{.label = "", .min = 10, .max = 20};
  EXPECT_DOUBLE_EQ(position_on(linear, 15), 0.5);
  EXPECT_DOUBLE_EQ(position_on(linear, 25), 1.5);
  const Axis log{.label = "", .logarithmic = true, .min = 1, .max = 10'000};
  EXPECT_DOUBLE_EQ(position_on(log, 100), 0.5);
  EXPECT_DOUBLE_EQ(position_on(log, 1), 0);
}

TEST(Axis, RoundsOutToTicks) {
  const Axis linear = rounded_out({.label = "", .min = 0.3, .max = 18.2});
  EXPECT_DOUBLE_EQ(linear.min, 0);
  EXPECT_DOUBLE_EQ(linear.max, 20);
  for (double max = 2.2; max < 1e4; max *= 1.13) {
    const Axis axis = rounded_out({.label = "", .min = 2.1, .max = max});
    EXPECT_NEAR(ticks_of(axis).front().value, axis.min, 1e-6) << max;
    EXPECT_NEAR(ticks_of(axis).back().value, axis.max, 1e-6) << max;
  }
  const Axis log = rounded_out({.label = "", .logarithmic = true, .min = 0.7, .max = 230});
  EXPECT_DOUBLE_EQ(log.min, 0.5);
  EXPECT_DOUBLE_EQ(log.max, 500);
  const Axis exact = rounded_out({.label = "", .logarithmic = true, .min = 1, .max = 1000});
  EXPECT_DOUBLE_EQ(exact.min, 1);
  EXPECT_DOUBLE_EQ(exact.max, 1000);
  const Axis flat = rounded_out({.label = "", .min = 3, .max = 3});
  EXPECT_GT(flat.max, flat.min);
}

TEST(Axis, NumbersAsPeopleWriteThem) {
  EXPECT_EQ(tick_label(0.1 + 0.2), "0.3");
  EXPECT_EQ(tick_label(1200), "1200");
  EXPECT_EQ(tick_label(2e6), "2e6");
  EXPECT_EQ(tick_label(-1e-17), "0");
}

}  // namespace
}  // namespace minos
