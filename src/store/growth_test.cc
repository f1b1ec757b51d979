// Many items, little memory.
#include <gtest/gtest.h>

#include "store/testing/store_fixture.h"

namespace minos {
namespace {

using testing::expect_within_limit;
using testing::get;
using testing::kNow;
using testing::kSanitized;
using testing::make_store;
using testing::numbered;
using testing::patterned;
using testing::resident_bytes;
using testing::set;

double occupancy(const KvStore& store) {
  return static_cast<double>(store.stats().item_bytes) /
         static_cast<double>(store.memory().limit_bytes);
}

TEST(StoreGrowth, AMillionItemsAreFound) {
  constexpr std::uint64_t kItems = kSanitized ? 200'000 : 1'000'000;
  const auto store = make_store({.memory_bytes = 256 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  for (std::uint64_t i = 0; i < kItems; ++i) {
    ASSERT_EQ(set(core, numbered("key", i), numbered("value", i)), StoreStatus::kStored);
    if (i % 16 == 0) core.quiesce();
  }
  EXPECT_EQ(store->stats().items, kItems);
  for (std::uint64_t i = 0; i < kItems; ++i) {
    ASSERT_EQ(get(core, numbered("key", i)), numbered("value", i));
    ASSERT_EQ(get(core, numbered("yek", i)), std::nullopt);
  }
  EXPECT_LT(store->memory().index_bytes, kItems * 16);
  for (std::uint64_t i = 0; i < kItems; ++i) {
    const std::string key = numbered("key", i);
    ASSERT_TRUE(core.remove(key, hash_key(key), kNow));
  }
  EXPECT_EQ(store->stats().items, 0U);
}

TEST(StoreGrowth, PutsWithoutQuiescingWork) {
  const auto store = make_store({.memory_bytes = 8 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    ASSERT_EQ(set(core, numbered("key", i), patterned(i, 100)), StoreStatus::kStored) << i;
  }
  EXPECT_GT(store->stats().evictions, 0U);
}

TEST(StoreGrowth, EvictionKeepsTheLimit) {
  for (const std::uint64_t memory : {4 * kMiB, 64 * kMiB}) {
    const auto store = make_store({.memory_bytes = memory, .cores = 1});
    StoreCore& core = store->core(CoreId{0});
    Prng prng(memory);
    std::uint64_t large_refused = 0;
    for (std::uint64_t i = 0; i < 100'000; ++i) {
      std::size_t bytes = prng.below(400);
      if (prng.below(100) == 0) bytes = 9'000 + prng.below(200'000);
      const StoreStatus status =
          set(core, numbered("key", prng.below(500'000)), patterned(i, bytes));
      if (status != StoreStatus::kStored) ++large_refused;
      core.quiesce();
      expect_within_limit(*store);
    }
    EXPECT_EQ(large_refused, 0U);
    EXPECT_GT(occupancy(*store), memory > 8 * kMiB ? 0.85 : 0.35);
  }
}

TEST(StoreGrowth, WithoutEvictionWritesAreRefusedNotItems) {
  const auto store = make_store({.memory_bytes = 16 * kMiB, .evict = false});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t stored = 0;
  while (set(core, numbered("key", stored), patterned(stored, 200)) == StoreStatus::kStored) {
    ++stored;
    core.quiesce();
  }
  EXPECT_GT(occupancy(*store), 0.80);
  // Compaction gives up where it would copy 32 bytes to gain one; who gives up a set removes.
  std::uint64_t lost = 0;
  Prng prng(1);
  for (std::uint64_t i = 0; i < (kSanitized ? 20'000 : 100'000); ++i) {
    const std::uint64_t n = prng.below(stored);
    const std::string key = numbered("key", n);
    if (set(core, key, patterned(n, 200)) != StoreStatus::kStored) {
      ++lost;
      core.remove(key, hash_key(key), kNow);
    }
    core.quiesce();
    expect_within_limit(*store);
  }
  EXPECT_LT(lost, stored / 15);
  for (std::uint64_t i = 0; i < stored; ++i) {
    const auto value = get(core, numbered("key", i));
    if (value) {
      ASSERT_EQ(*value, patterned(i, 200));
    }
  }
  EXPECT_EQ(store->stats().evictions, 0U);
}

TEST(StoreGrowth, OccupancyStaysHighWhenSizesShift) {
  constexpr std::uint64_t kMemory = (kSanitized ? 24 : 64) * kMiB;
  const std::uint64_t before = resident_bytes();
  const auto store = make_store({.memory_bytes = kMemory});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t n = 0;
  for (const std::size_t bytes : {100U, 1000U, 4000U, 500'000U, 4000U, 20'000U, 1000U, 100U}) {
    for (std::uint64_t written = 0; written < 3 * kMemory; written += bytes + 30) {
      ASSERT_EQ(set(core, numbered("key", ++n), std::string(bytes, 'x')), StoreStatus::kStored)
          << bytes;
      core.quiesce();
    }
    expect_within_limit(*store);
    EXPECT_GT(occupancy(*store), kSanitized ? 0.7 : 0.84) << bytes;
    if (!kSanitized) {
      EXPECT_LE(resident_bytes() - before, kMemory * 105 / 100) << bytes;
    }
  }
}

TEST(StoreGrowth, ALargeValueFitsWheneverEnoughUnitsAreFree) {
  const auto store = make_store({.memory_bytes = 16 * kMiB, .evict = false});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t stored = 0;
  while (set(core, numbered("key", stored), std::string(10'000, 'x')) == StoreStatus::kStored) {
    ++stored;
  }
  // Holes of 10 units, nowhere a run of more than one hole.
  for (std::uint64_t i = 0; i < stored; i += 3) {
    const std::string key = numbered("key", i);
    ASSERT_TRUE(core.remove(key, hash_key(key), kNow));
  }
  core.quiesce();
  const std::uint64_t free_bytes = stored / 3 * 10 * 1024;
  const std::string value = patterned(1, 1'000'000);
  for (std::uint64_t used = 0; used + 1'020'000 < free_bytes; used += 1'020'000) {
    const std::string key = numbered("big", used);
    ASSERT_EQ(set(core, key, value), StoreStatus::kStored) << used << " of " << free_bytes;
    ASSERT_EQ(get(core, key), value);
    core.quiesce();
  }
}

TEST(StoreGrowth, SmallItemsFitWhereLargeOnesLeftHoles) {
  const auto store = make_store({.memory_bytes = 16 * kMiB, .evict = false});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t stored = 0;
  while (set(core, numbered("large", stored), patterned(stored, 10'000)) == StoreStatus::kStored) {
    ++stored;
    core.quiesce();
  }
  for (std::uint64_t i = 0; i < stored; i += 2) {
    const std::string key = numbered("large", i);
    ASSERT_TRUE(core.remove(key, hash_key(key), kNow));
  }
  core.quiesce();
  std::uint64_t bytes = 0;
  for (std::uint64_t i = 0;
       set(core, numbered("small", i), patterned(i, 200)) == StoreStatus::kStored; ++i) {
    bytes += 200;
    core.quiesce();
    expect_within_limit(*store);
  }
  EXPECT_GT(bytes, stored / 2 * 10'000 * 7 / 10);
  for (std::uint64_t i = 1; i < stored; i += 2) {
    ASSERT_EQ(get(core, numbered("large", i)), patterned(i, 10'000));
    core.quiesce();
  }
}

}  // namespace
}  // namespace minos
