// Many items, little memory.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>
#include <functional>
#include <vector>

#include "store/testing/store_fixture.h"

namespace minos {
namespace {

using testing::fill;
using testing::get;
using testing::kNow;
using testing::make_store;
using testing::numbered;
using testing::patterned;
using testing::reserve_all;
using testing::set;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

std::int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

void expect_within_limit(const KvStore& store) {
  const MemoryUse use = store.memory();
  ASSERT_LE(use.used_bytes, use.limit_bytes);
  // At rest nothing is on its way from one use to another.
  ASSERT_EQ(use.used_bytes,
            use.log_bytes + use.large_bytes + use.index_bytes + use.buffer_bytes + use.other_bytes);
}

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

TEST(StoreGrowth, AnotherCoreThatNeverQuiescesOnlyStopsWrites) {
  const auto store = make_store({.memory_bytes = 8 * kMiB, .cores = 2});
  StoreCore& core = store->core(CoreId{0});
  StoreCore& stuck = store->core(CoreId{1});
  set(core, "pinned", "value");
  const auto item = stuck.find("pinned", hash_key("pinned"), kNow);
  ASSERT_TRUE(item);
  StoreStatus status = StoreStatus::kStored;
  for (std::uint64_t i = 0; i < 1'000'000 && status == StoreStatus::kStored; ++i) {
    status = set(core, numbered("key", i), patterned(i, 100));
    core.quiesce();
  }
  EXPECT_EQ(status, StoreStatus::kOutOfMemory);
  EXPECT_GT(store->stats().items, 10'000U);
  EXPECT_EQ(item->inline_value, "value");
  stuck.quiesce();
  EXPECT_EQ(set(core, "x", "y"), StoreStatus::kStored);
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
  // Compaction gives up where it would copy 32 bytes to gain one, and a set that fails removes.
  std::uint64_t lost = 0;
  Prng prng(1);
  for (std::uint64_t i = 0; i < (kSanitized ? 20'000 : 100'000); ++i) {
    const std::uint64_t n = prng.below(stored);
    if (set(core, numbered("key", n), patterned(n, 200)) != StoreStatus::kStored) ++lost;
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

TEST(StoreGrowth, ChargedBuffersCountAgainstTheLimit) {
  const auto store = make_store({.memory_bytes = 32 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  for (std::uint64_t i = 0; i < 400'000; ++i) {
    set(core, numbered("key", i), patterned(i, 100));
    core.quiesce();
  }
  core.offline();
  ASSERT_TRUE(store->charge_buffers(8 * kMiB));
  expect_within_limit(*store);
  EXPECT_EQ(store->memory().buffer_bytes, 8 * kMiB);
  EXPECT_FALSE(store->charge_buffers(32 * kMiB));
  EXPECT_EQ(store->memory().buffer_bytes, 8 * kMiB);
  core.online();
  for (std::uint64_t i = 0; i < 100'000; ++i) {
    ASSERT_EQ(set(core, numbered("key", i), patterned(i, 100)), StoreStatus::kStored);
    core.quiesce();
    expect_within_limit(*store);
  }
  store->release_buffers(8 * kMiB);
  EXPECT_EQ(store->memory().buffer_bytes, 0U);
}

TEST(StoreGrowth, AFullStoreLeavesMemoryToBuffersWhenNothingMayBeEvicted) {
  const auto store = make_store({.memory_bytes = 64 * kMiB, .evict = false, .cores = 2});
  StoreCore& core = store->core(CoreId{0});
  const auto fill_up = [&](std::string_view prefix) {
    for (const std::size_t bytes : {500'000U, 9'000U, 200U, 1U}) {
      std::uint64_t n = 0;
      while (set(core, numbered(numbered(prefix, bytes) + ".", n), std::string(bytes, 'x')) ==
             StoreStatus::kStored) {
        ++n;
        core.quiesce();
      }
    }
  };
  fill_up("a");
  expect_within_limit(*store);
  constexpr std::uint64_t kBlock = 256 * kKiB;
  constexpr std::uint64_t kBlocks = 2 + 1;  // one a core, one to spare; one has the directory
  const auto charge_all = [&] {
    std::uint64_t blocks = 0;
    while (store->charge_buffers(kBlock)) ++blocks;
    return blocks;
  };
  const std::uint64_t charged = charge_all();
  EXPECT_GE(charged, kBlocks);
  expect_within_limit(*store);
  // What the buffers give back is theirs again, whatever is stored meanwhile.
  store->release_buffers(charged * kBlock);
  fill_up("b");
  EXPECT_GE(charge_all(), kBlocks);
  expect_within_limit(*store);
  // And what a client can do with them: make room.
  store->flush_all(0, kNow);
  for (int i = 0; i < 1000; ++i) {
    core.quiesce();
    core.maintain(kNow, 1000);
  }
  EXPECT_EQ(set(core, "k", std::string(500'000, 'x')), StoreStatus::kStored);
}

TEST(StoreGrowth, BuffersAreHadOnceReadersLetGoOfWhatWasEvicted) {
  const auto store = make_store({.memory_bytes = 32 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t n = 0;
  while (store->stats().evictions == 0) {
    ++n;
    set(core, numbered("key", n), patterned(n, 100));
    core.quiesce();
  }
  const auto item = core.find(numbered("key", n), hash_key(numbered("key", n)), kNow);
  ASSERT_TRUE(item);
  std::uint64_t charged = 0;
  while (store->charge_buffers(kMiB)) ++charged;
  EXPECT_LT(charged, 8U);
  EXPECT_GT(store->stats().items, n / 2) << "evicted in vain";
  EXPECT_EQ(item->inline_value, patterned(n, 100));
  core.quiesce();
  EXPECT_TRUE(store->charge_buffers(kMiB));
  store->release_buffers((charged + 1) * kMiB);
  expect_within_limit(*store);
}

TEST(StoreGrowth, StalledUploadsTakeAtMostHalf) {
  const auto store = make_store({.memory_bytes = 32 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  for (std::uint64_t i = 0; i < 400'000; ++i) set(core, numbered("key", i), patterned(i, 100));
  std::vector<ItemDraft> drafts;
  for (;;) {
    const std::string key = numbered("upload", drafts.size());
    auto draft = reserve_all(core, key, 1'000'000);
    if (!draft) break;
    drafts.push_back(std::move(*draft));
    core.quiesce();
  }
  EXPECT_EQ(drafts.size(), 16U);
  EXPECT_GT(store->stats().items, 80'000U);
  drafts.clear();
  EXPECT_EQ(store->memory().large_bytes, 0U);
}

// Room is made for a large value in portions, and small writes go on meanwhile.
TEST(StoreGrowth, ALargeValueFindsRoomLittleByLittle) {
  constexpr std::uint64_t kMemory = (kSanitized ? 32 : 128) * kMiB;
  constexpr std::uint64_t kValueBytes = kMemory / 4;
  const auto store =
      make_store({.memory_bytes = kMemory, .item_bytes_max = kValueBytes, .cores = 2});
  StoreCore& small = store->core(CoreId{0});
  StoreCore& large = store->core(CoreId{1});
  std::uint64_t n = 0;
  const auto set_some = [&](std::uint64_t count) {
    for (const std::uint64_t end = n + count; n < end; ++n) {
      ASSERT_EQ(set(small, numbered("key", n), patterned(n, 60)), StoreStatus::kStored);
    }
    small.quiesce();
  };
  while (store->stats().evictions == 0) set_some(16);
  const std::uint64_t evicted_before = store->stats().evictions;
  auto draft = large.reserve("large", hash_key("large"), {}, kValueBytes, kNow);
  ASSERT_TRUE(draft);
  std::uint64_t calls = 1;
  constexpr std::uint64_t kEvictedMax = 2'500;
  std::uint64_t evicted = store->stats().evictions - evicted_before;
  EXPECT_LT(evicted, kEvictedMax);
  for (; !draft->reserved() && calls < 10'000; ++calls) {
    large.quiesce();
    set_some(100);
    evicted = store->stats().evictions;
    ASSERT_TRUE(large.reserve_more(*draft, kNow));
    EXPECT_LT(store->stats().evictions - evicted, kEvictedMax);
    expect_within_limit(*store);
  }
  EXPECT_LT(calls, kValueBytes / (32 * kKiB));
  const std::string value = patterned(1, kValueBytes);
  fill(*draft, value);
  ASSERT_EQ(large.publish(StoreMode::kSet, std::move(*draft), 0, kNow), StoreStatus::kStored);
  EXPECT_EQ(get(large, "large"), value);
}

TEST(StoreGrowth, PrefaultTouchesAHeadStart) {
  const std::uint64_t before = resident_bytes();
  const auto store = make_store({.memory_bytes = kGiB});
  const auto prefault = [&] {
    std::uint64_t touched = 0;
    while (const std::uint64_t bytes = store->prefault(kMiB)) touched += bytes;
    return touched;
  };
  EXPECT_EQ(prefault(), 64 * kMiB);
  if (!kSanitized) {
    EXPECT_LE(resident_bytes() - before, 72 * kMiB);
  }
  StoreCore& core = store->core(CoreId{0});
  const std::string value(1'000'000, 'x');
  for (std::uint64_t i = 0; i < 10; ++i) set(core, numbered("key", i), value);
  EXPECT_NEAR(static_cast<double>(prefault()), 10e6, 1e6);
  const auto tiny = make_store({.memory_bytes = 16 * kMiB});
  EXPECT_EQ(tiny->prefault(kGiB), 2 * kMiB);
}

// 1 GB/s, with a housekeeper that looks every 5 ms.
TEST(StoreGrowth, WritesDoNotFaultBehindAPrefaulter) {
  if (kSanitized) GTEST_SKIP() << "their shadow memory faults";
  const auto store = make_store({.memory_bytes = 256 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t n = 0;
  std::int64_t faults = 0;
  for (const std::size_t bytes : {100U, 500'000U}) {
    const std::string value(bytes, 'x');
    for (int look = 0; look < 20; ++look) {
      while (store->prefault(kMiB) != 0) {
      }
      const std::int64_t before = page_faults();
      for (std::uint64_t written = 0; written < 5'000'000; written += bytes) {
        ASSERT_EQ(set(core, numbered("key", ++n), value), StoreStatus::kStored);
        core.quiesce();
      }
      faults += page_faults() - before;
    }
  }
  // 200 MB are 50,000 pages, or 100 huge ones. The directory of the index has some, too.
  EXPECT_LE(faults, 10);
}

}  // namespace
}  // namespace minos
