#include "load/key_space.h"

#include <gtest/gtest.h>

namespace minos {
namespace {

KeySpace::Options mixed() {
  return {.keys = 100'000,
          .large_keys = 20'000,
          .large_bytes_max = 500'000,
          .value_bytes = 0,
          .first_key = 0x100,
          .seed = 9};
}

TEST(KeySpace, SizesFollowThePaper) {
  const KeySpace space(mixed());
  std::array<double, kLoadClasses> count{};
  std::array<double, kLoadClasses> bytes{};
  for (std::uint32_t i = 0; i < space.key_count(); ++i) {
    const auto [size, size_class] = space.item(i);
    ++count[static_cast<std::size_t>(size_class)];
    bytes[static_cast<std::size_t>(size_class)] += size;
    EXPECT_EQ(size_class == LoadClass::kLarge, i >= space.options().keys);
    switch (size_class) {
      case LoadClass::kTiny:
        EXPECT_TRUE(size >= 1 && size <= 13);
        break;
      case LoadClass::kSmall:
        EXPECT_TRUE(size >= 14 && size <= 1400);
        break;
      case LoadClass::kLarge:
        EXPECT_TRUE(size >= 1500 && size <= 500'000);
        break;
    }
  }
  EXPECT_NEAR(count[0] / 100'000, 0.4, 0.01);
  EXPECT_NEAR(bytes[0] / count[0], 7, 0.1);
  EXPECT_NEAR(bytes[1] / count[1], 707, 10);
  EXPECT_NEAR(bytes[2] / count[2], 250'750, 4000);
}

TEST(KeySpace, IsAPureFunctionOfOptionsAndIndex) {
  const KeySpace a(mixed());
  const KeySpace b(mixed());
  KeySpace::Options other_seed = mixed();
  other_seed.seed = 10;
  const KeySpace c(other_seed);
  int same = 0;
  for (std::uint32_t i = 0; i < a.key_count(); i += 97) {
    const std::uint32_t size = a.item(i).value_bytes;
    EXPECT_EQ(size, b.item(i).value_bytes);
    EXPECT_EQ(a.value(i, size), b.value(i, size));
    same += size == c.item(i).value_bytes ? 1 : 0;
  }
  EXPECT_LT(same, 100);
}

TEST(KeySpace, FixedSizeLeavesLargeKeysAlone) {
  KeySpace::Options options = mixed();
  options.value_bytes = 100;
  const KeySpace space(options);
  EXPECT_EQ(space.item(5).value_bytes, 100U);
  EXPECT_EQ(space.item(5).size_class, LoadClass::kSmall);
  EXPECT_EQ(space.item(100'000).size_class, LoadClass::kLarge);
  EXPECT_GE(space.item(100'000).value_bytes, kLargeBytesMin);
}

TEST(KeySpace, KeysAndValuesTellIndicesApart) {
  const KeySpace space(mixed());
  const auto text = [&](std::uint32_t i) {
    const auto key = space.key(i);
    return std::string(key.begin(), key.end());
  };
  EXPECT_EQ(text(0), "00000100");
  EXPECT_EQ(text(0xdeadbdef), "deadbeef");
  EXPECT_NE(space.value(1, 64), space.value(2, 64));
}

}  // namespace
}  // namespace minos
