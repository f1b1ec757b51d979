// The memory limit: who may have the last of it, what waits for it, and for how long.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <utility>
#include <vector>

#include "base/prng.h"
#include "store/testing/store_fixture.h"

namespace minos {
namespace {

using testing::expect_within_limit;
using testing::fill;
using testing::get;
using testing::kNow;
using testing::kSanitized;
using testing::make_store;
using testing::numbered;
using testing::patterned;
using testing::reserve_all;
using testing::resident_bytes;
using testing::set;

std::int64_t page_faults() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_minflt;
}

TEST(StoreMemory, AnotherCoreThatNeverQuiescesOnlyStopsWrites) {
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

// Whoever charges buffers holds up what is freed for it, in whatever state the store is: the call
// comes to an end, and memory comes after quiesce().
TEST(StoreMemory, ChargingEndsWhileTheCallerHoldsUpWhatIsFreed) {
  const auto store = make_store({.memory_bytes = 32 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  Prng prng(1);
  constexpr std::uint64_t kBlock = 256 * kKiB;
  for (int round = 0; round < (kSanitized ? 50 : 1000); ++round) {
    for (int i = 0; i < 30; ++i) {
      const std::size_t bytes = prng.below(4) == 0 ? prng.below(500'000) : prng.below(1000);
      set(core, numbered("key", prng.below(2000)), std::string(bytes, 'x'));
    }
    std::uint64_t blocks = 0;
    while (store->charge_buffers(kBlock)) ++blocks;
    store->release_buffers(blocks * kBlock);
    for (int tries = 0; !store->charge_buffers(kBlock); core.quiesce()) ASSERT_LT(++tries, 100);
    store->release_buffers(kBlock);
  }
}

// Every write says that there is no memory, changes nothing, and succeeds when tried again.
TEST(StoreMemory, WritesWaitForAnotherCoreToLetGo) {
  const auto store = make_store({.memory_bytes = 8 * kMiB, .cores = 2});
  StoreCore& core = store->core(CoreId{0});
  StoreCore& stuck = store->core(CoreId{1});
  stuck.online();
  const std::string value = patterned(1, 10'000);
  std::uint64_t n = 0;
  const auto key = [&] { return numbered("key", n); };
  auto draft = reserve_all(core, "large", value.size());
  ASSERT_TRUE(draft);
  fill(*draft, value);
  // Until the open segments are full, too.
  for (const std::size_t bytes : {1'000U, 100U, 1U}) {
    for (int failures = 0; failures < 3;) {
      ++n;
      if (set(core, key(), std::string(bytes, '1')) != StoreStatus::kStored) ++failures;
      core.quiesce();
    }
  }
  while (!core.find(key(), hash_key(key()), kNow)) --n;
  ASSERT_TRUE(core.memory_is_coming());
  const std::string longer(2'000, 'x');
  const auto before = get(core, key());
  EXPECT_EQ(set(core, key(), longer), StoreStatus::kOutOfMemory);
  EXPECT_EQ(get(core, key()), before);
  std::vector<std::uint64_t> untouched;
  for (std::uint64_t i = n; untouched.size() < 3 && i > 0; --i) {
    const std::string other = numbered("key", i);
    const auto touched = core.touch(other, hash_key(other), 2000, kNow);
    if (!touched && touched.error() == StoreStatus::kOutOfMemory) untouched.push_back(i);
  }
  ASSERT_EQ(untouched.size(), 3U);
  for (const std::uint64_t i : untouched) {
    EXPECT_EQ(core.find(numbered("key", i), hash_key(numbered("key", i)), kNow)->meta.expires_at,
              0U);
  }
  StoreStatus published = StoreStatus::kOutOfMemory;
  for (int tries = 0; tries < 100 && published == StoreStatus::kOutOfMemory; ++tries) {
    published = core.publish(StoreMode::kSet, *draft, 0, kNow);
    ASSERT_EQ(static_cast<bool>(*draft), published == StoreStatus::kOutOfMemory);
    core.quiesce();
    if (tries == 2) stuck.quiesce();
  }
  EXPECT_EQ(published, StoreStatus::kStored);
  EXPECT_EQ(get(core, "large"), value);
  stuck.quiesce();
  EXPECT_EQ(set(core, key(), longer), StoreStatus::kStored);
  for (const std::uint64_t i : untouched) {
    stuck.quiesce();
    const std::string other = numbered("key", i);
    const auto touched = core.touch(other, hash_key(other), 2000, kNow);
    EXPECT_TRUE(touched || touched.error() == StoreStatus::kNotFound);
  }
}

TEST(StoreMemory, ChargedBuffersCountAgainstTheLimit) {
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

TEST(StoreMemory, AFullStoreLeavesMemoryToBuffersWhenNothingMayBeEvicted) {
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
  EXPECT_EQ(set(core, "k", std::string(1'000, 'x')), StoreStatus::kStored);
  core.quiesce();
  EXPECT_EQ(set(core, "l", std::string(500'000, 'x')), StoreStatus::kStored);
}

TEST(StoreMemory, BuffersAreHadOnceReadersLetGoOfWhatWasEvicted) {
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

TEST(StoreMemory, StalledUploadsTakeAtMostHalf) {
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
TEST(StoreMemory, ALargeValueFindsRoomLittleByLittle) {
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
  // Its record may have to wait for what the other core has not let go of yet.
  StoreStatus status = StoreStatus::kOutOfMemory;
  for (int tries = 0; tries < 10 && status == StoreStatus::kOutOfMemory; ++tries) {
    small.quiesce();
    large.quiesce();
    status = large.publish(StoreMode::kSet, *draft, 0, kNow);
  }
  ASSERT_EQ(status, StoreStatus::kStored);
  EXPECT_EQ(get(large, "large"), value);
}

TEST(StoreMemory, ALargeValueIsExtendedLittleByLittle) {
  constexpr std::uint64_t kBytes = 16 * kMiB;
  const auto store = make_store({.memory_bytes = 128 * kMiB, .item_bytes_max = 2 * kBytes});
  StoreCore& core = store->core(CoreId{0});
  std::string value = patterned(1, kBytes);
  ASSERT_EQ(set(core, "a", value), StoreStatus::kStored);
  ASSERT_EQ(set(core, "b", value), StoreStatus::kStored);
  const auto once = [&](StoreMode mode, std::string_view key, std::string_view piece) {
    const StoreStatus status = core.put(mode, key, hash_key(key), {}, piece, 0, kNow);
    EXPECT_TRUE(status == StoreStatus::kStored || core.memory_is_coming());
    core.quiesce();
    return status;
  };
  const auto calls = [&](StoreMode mode, std::string_view key, std::string_view piece) {
    std::uint64_t count = 1;
    while (once(mode, key, piece) == StoreStatus::kOutOfMemory && count < 1000) ++count;
    return count;
  };
  EXPECT_GE(calls(StoreMode::kAppend, "a", "x"), kBytes / (256 * kKiB));
  EXPECT_EQ(get(core, "a"), value + "x");
  EXPECT_GE(calls(StoreMode::kPrepend, "a", "y"), kBytes / (256 * kKiB));
  EXPECT_EQ(get(core, "a"), "y" + value + "x");
  // Two of the same kind and length, by turns: both are done, in some order.
  StoreStatus p = StoreStatus::kOutOfMemory;
  StoreStatus q = StoreStatus::kOutOfMemory;
  for (int i = 0; i < 1000 && (p != q || p != StoreStatus::kStored); ++i) {
    if (p != StoreStatus::kStored) p = once(StoreMode::kPrepend, "b", "p");
    if (q != StoreStatus::kStored) q = once(StoreMode::kPrepend, "b", "q");
  }
  const std::string both = *get(core, "b");
  EXPECT_TRUE(both == "pq" + value || both == "qp" + value);
  // Another key waits; a value that changes meanwhile is extended as it is then.
  EXPECT_EQ(once(StoreMode::kAppend, "a", "z"), StoreStatus::kOutOfMemory);
  EXPECT_EQ(once(StoreMode::kAppend, "b", "z"), StoreStatus::kOutOfMemory);
  ASSERT_EQ(set(core, "a", "short"), StoreStatus::kStored);
  EXPECT_EQ(once(StoreMode::kAppend, "a", "z"), StoreStatus::kStored);
  EXPECT_EQ(get(core, "a"), "shortz");
  // Nobody goes on with this one: its memory comes back.
  ASSERT_EQ(once(StoreMode::kAppend, "b", "z"), StoreStatus::kOutOfMemory);
  for (int i = 0; i < 100; ++i) core.quiesce();
  core.remove("b", hash_key("b"), kNow);
  core.quiesce();
  EXPECT_EQ(store->memory().large_bytes, 0U);
}

TEST(StoreMemory, ASmallWriteMovesLittleOfLargeValues) {
  const auto store = make_store({.memory_bytes = 32 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t n = 0;
  while (store->stats().evictions == 0) {
    ASSERT_EQ(set(core, numbered("large", n++), std::string(20'000, 'x')), StoreStatus::kStored);
    core.quiesce();
  }
  for (std::uint64_t i = 0; i < n; ++i) {
    const std::string key = numbered("large", i);
    if (i % 3 != 0) core.remove(key, hash_key(key), kNow);
  }
  const auto places = [&] {
    std::vector<const LargeValue*> at;
    for (std::uint64_t i = 0; i < n; i += 3) {
      const std::string key = numbered("large", i);
      const auto item = core.find(key, hash_key(key), kNow);
      at.push_back(item ? item->large : nullptr);
    }
    core.quiesce();
    return at;
  };
  std::vector<const LargeValue*> before = places();
  int moved = 0;
  for (std::uint64_t i = 0; i < 10'000; ++i) {
    ASSERT_EQ(set(core, numbered("small", i), std::string(1'000, 'x')), StoreStatus::kStored);
    const std::vector<const LargeValue*> after = places();
    int moved_now = 0;
    for (std::size_t at = 0; at < after.size(); ++at) {
      moved_now += after[at] != nullptr && after[at] != before[at] ? 1 : 0;
    }
    ASSERT_LE(moved_now, 1) << i;
    moved += moved_now;
    before = after;
  }
  EXPECT_GT(moved, 50);
}

TEST(StoreMemory, PrefaultTouchesAHeadStart) {
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
TEST(StoreMemory, WritesDoNotFaultBehindAPrefaulter) {
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
