#include "wire/exptime.h"

#include <gtest/gtest.h>

#include <limits>

namespace minos {
namespace {

constexpr UnixSeconds kNow = 1'700'000'000;
constexpr UnixSeconds kEndOfTime = std::numeric_limits<UnixSeconds>::max();

TEST(Exptime, ZeroIsNever) {
  EXPECT_EQ(expires_at(0, kNow), 0U);
}

TEST(Exptime, UpToThirtyDaysIsRelative) {
  EXPECT_EQ(expires_at(1, kNow), kNow + 1);
  EXPECT_EQ(expires_at(2'592'000, kNow), kNow + 2'592'000);
}

TEST(Exptime, BeyondThirtyDaysIsAbsolute) {
  EXPECT_EQ(expires_at(2'592'001, kNow), 2'592'001U);
  EXPECT_EQ(expires_at(kNow + 5, kNow), kNow + 5);
  EXPECT_EQ(expires_at(kNow - 5, kNow), kNow - 5);
}

TEST(Exptime, NegativeIsPastAndNeverZero) {
  for (const std::int64_t e : {std::int64_t{-1}, std::numeric_limits<std::int64_t>::min()}) {
    EXPECT_GT(expires_at(e, kNow), 0U);
    EXPECT_LT(expires_at(e, kNow), kNow);
  }
}

TEST(Exptime, BeyondTheEndOfTimeIsCut) {
  EXPECT_EQ(expires_at(std::numeric_limits<std::int64_t>::max(), kNow), kEndOfTime);
  EXPECT_EQ(expires_at(std::int64_t{1} << 32, kNow), kEndOfTime);
  EXPECT_EQ(expires_at(100, kEndOfTime - 1), kEndOfTime);
}

TEST(Exptime, FlushTakesEffectAtOnceOrLater) {
  EXPECT_EQ(flush_at(0, kNow), 0U);
  EXPECT_EQ(flush_at(-3, kNow), 0U);
  EXPECT_EQ(flush_at(10, kNow), kNow + 10);
  EXPECT_EQ(flush_at(kNow + 10, kNow), kNow + 10);
}

}  // namespace
}  // namespace minos
