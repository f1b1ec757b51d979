#include "store/kv_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "store/testing/store_fixture.h"

namespace minos {
namespace {

using testing::at_second;
using testing::content;
using testing::fill;
using testing::get;
using testing::kNow;
using testing::make_store;
using testing::numbered;
using testing::patterned;
using testing::publish_all;
using testing::put_all;
using testing::set;

class KvStoreTest : public ::testing::Test {
 protected:
  StoreStatus put(StoreMode mode, std::string_view key, std::string_view value,
                  std::uint64_t cas = 0) {
    return put_all(core_, mode, key, {}, value, cas);
  }
  auto arith(std::string_view key, bool increment, std::uint64_t delta) {
    return core_.arith(key, hash_key(key), increment, delta, kNow);
  }
  std::uint64_t cas_of(std::string_view key) {
    return core_.find(key, hash_key(key), kNow).value().cas;
  }
  bool remove(std::string_view key) { return core_.remove(key, hash_key(key), kNow); }

  std::unique_ptr<KvStore> store_ = make_store({});
  StoreCore& core_ = store_->core(CoreId{0});
};

TEST_F(KvStoreTest, StoresAndFinds) {
  EXPECT_EQ(get(core_, "a"), std::nullopt);
  EXPECT_EQ(set(core_, "a", "1", {.flags = 7, .expires_at = 2000}), StoreStatus::kStored);
  const auto item = core_.find("a", hash_key("a"), kNow);
  ASSERT_TRUE(item);
  EXPECT_EQ(item->inline_value, "1");
  EXPECT_EQ(item->meta.flags, 7U);
  EXPECT_EQ(item->meta.expires_at, 2000U);
  EXPECT_EQ(item->value_bytes, 1U);
  EXPECT_EQ(store_->stats().items, 1U);
  EXPECT_TRUE(remove("a"));
  EXPECT_FALSE(remove("a"));
  EXPECT_EQ(get(core_, "a"), std::nullopt);
  EXPECT_EQ(store_->stats().items, 0U);
  EXPECT_EQ(store_->stats().item_bytes, 0U);
}

TEST_F(KvStoreTest, EmptyAndBoundaryValues) {
  for (const std::size_t bytes : {0UL, 1UL, 8191UL, 8192UL, 8193UL, 100'000UL, 262'080UL, 262'144UL,
                                  524'288UL, 1'048'576UL}) {
    const std::string value = patterned(bytes, bytes);
    const std::string key(1 + bytes % 250, 'k');
    ASSERT_EQ(set(core_, key, value), StoreStatus::kStored) << bytes;
    ASSERT_EQ(get(core_, key), value) << bytes;
    const auto item = core_.find(key, hash_key(key), kNow);
    EXPECT_EQ(item->large != nullptr, bytes > kInlineValueBytesMax);
    core_.quiesce();
  }
}

TEST_F(KvStoreTest, ABatchFindsWhatOneByOneFinds) {
  const std::string large = patterned(1, 100'000);
  set(core_, "small", "value", {.flags = 7, .expires_at = 2000});
  set(core_, "large", large);
  set(core_, "expired", "value", {.expires_at = 999});
  std::vector<Lookup> lookups;
  // More than are looked up at once, and each more than once.
  for (int i = 0; i < 20; ++i) {
    for (const std::string_view key : {"small", "absent", "large", "expired"}) {
      lookups.push_back({.key = key, .hash = hash_key(key)});
    }
  }
  lookups.push_back({.key = "small", .hash = hash_key("small"), .read = false});
  const std::uint64_t expired = store_->stats().expired;
  core_.find_batch(lookups, kNow);
  for (std::size_t i = 0; i + 1 < lookups.size(); i += 4) {
    ASSERT_TRUE(lookups[i].item);
    EXPECT_EQ(content(core_, *lookups[i].item), "value");
    EXPECT_EQ(lookups[i].item->key, "small");
    EXPECT_EQ(lookups[i].item->cas, cas_of("small"));
    EXPECT_EQ(lookups[i].item->meta.flags, 7U);
    EXPECT_EQ(lookups[i].item->meta.expires_at, 2000U);
    EXPECT_EQ(lookups[i].item->value_bytes, 5U);
    EXPECT_FALSE(lookups[i + 1].item);
    ASSERT_TRUE(lookups[i + 2].item);
    EXPECT_EQ(lookups[i + 2].item->value_bytes, large.size());
    EXPECT_EQ(content(core_, *lookups[i + 2].item), large);
    EXPECT_FALSE(lookups[i + 3].item);
  }
  EXPECT_FALSE(lookups.back().item);
  EXPECT_EQ(store_->stats().expired, expired + 1);
  core_.find_batch({}, kNow);
}

// Used by batches only, an item stays while others are evicted.
TEST_F(KvStoreTest, ABatchCountsUses) {
  const auto store = make_store({.memory_bytes = 8 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  set(core, "used", "value");
  for (std::uint64_t n = 0; store->stats().evictions < 50'000; ++n) {
    std::array<Lookup, 1> lookups{Lookup{.key = "used", .hash = hash_key("used")}};
    core.find_batch(lookups, kNow);
    ASSERT_TRUE(lookups[0].item) << n;
    set(core, numbered("other", n), std::string(50, 'v'));
    core.quiesce();
  }
}

TEST_F(KvStoreTest, Modes) {
  EXPECT_EQ(put(StoreMode::kReplace, "k", "x"), StoreStatus::kNotStored);
  EXPECT_EQ(put(StoreMode::kAppend, "k", "x"), StoreStatus::kNotStored);
  EXPECT_EQ(put(StoreMode::kPrepend, "k", "x"), StoreStatus::kNotStored);
  EXPECT_EQ(put(StoreMode::kCas, "k", "x", 1), StoreStatus::kNotFound);
  EXPECT_EQ(put(StoreMode::kAdd, "k", "b"), StoreStatus::kStored);
  EXPECT_EQ(put(StoreMode::kAdd, "k", "x"), StoreStatus::kNotStored);
  EXPECT_EQ(put(StoreMode::kAppend, "k", "c"), StoreStatus::kStored);
  EXPECT_EQ(put(StoreMode::kPrepend, "k", "a"), StoreStatus::kStored);
  EXPECT_EQ(get(core_, "k"), "abc");
  const std::uint64_t cas = cas_of("k");
  EXPECT_EQ(put(StoreMode::kCas, "k", "x", cas + 1), StoreStatus::kExists);
  EXPECT_EQ(put(StoreMode::kCas, "k", "y", cas), StoreStatus::kStored);
  EXPECT_NE(cas_of("k"), cas);
  EXPECT_EQ(put(StoreMode::kReplace, "k", "z"), StoreStatus::kStored);
  EXPECT_EQ(get(core_, "k"), "z");
}

TEST_F(KvStoreTest, ExtensionsGrowIntoChunks) {
  std::string expected = patterned(1, 8000);
  const ItemMeta meta{.flags = 3, .expires_at = 5000};
  ASSERT_EQ(set(core_, "k", expected, meta), StoreStatus::kStored);
  for (std::size_t i = 0; i < 40; ++i) {
    const std::string piece = patterned(i, 100 + 1000 * (i % 7));
    const bool append = i % 2 == 0;
    ASSERT_EQ(put(append ? StoreMode::kAppend : StoreMode::kPrepend, "k", piece),
              StoreStatus::kStored);
    expected = append ? expected + piece : piece + expected;
    ASSERT_EQ(get(core_, "k"), expected);
    core_.quiesce();
  }
  const auto item = core_.find("k", hash_key("k"), kNow);
  EXPECT_EQ(item->meta.flags, 3U);
  EXPECT_EQ(item->meta.expires_at, 5000U);
  EXPECT_EQ(put(StoreMode::kAppend, "k", std::string(kItemBytesDefault, 'x')),
            StoreStatus::kTooLarge);
  EXPECT_EQ(get(core_, "k"), expected);
}

TEST_F(KvStoreTest, AWriteThatFailsChangesNothing) {
  set(core_, "k", "old");
  EXPECT_EQ(put(StoreMode::kAdd, "k", std::string(kItemBytesDefault + 1, 'x')),
            StoreStatus::kTooLarge);
  EXPECT_EQ(set(core_, "k", std::string(kItemBytesDefault + 1, 'x')), StoreStatus::kTooLarge);
  EXPECT_EQ(get(core_, "k"), "old");
}

TEST_F(KvStoreTest, Arithmetic) {
  EXPECT_EQ(arith("n", true, 1).error(), ArithError::kNotFound);
  set(core_, "n", "9", {.flags = 5, .expires_at = 9999});
  EXPECT_EQ(arith("n", true, 1).value(), 10U);
  EXPECT_EQ(get(core_, "n"), "10");
  EXPECT_EQ(arith("n", false, 1).value(), 9U);
  EXPECT_EQ(get(core_, "n"), "9 ");
  EXPECT_EQ(arith("n", true, 3).value(), 12U);
  EXPECT_EQ(arith("n", false, 100).value(), 0U);
  EXPECT_EQ(get(core_, "n"), "0 ");
  const auto item = core_.find("n", hash_key("n"), kNow);
  EXPECT_EQ(item->meta.flags, 5U);
  EXPECT_EQ(item->meta.expires_at, 9999U);
  const std::uint64_t cas = item->cas;
  arith("n", true, 1);
  EXPECT_NE(cas_of("n"), cas);
  set(core_, "n", "18446744073709551615");
  EXPECT_EQ(arith("n", true, 2).value(), 1U);
  set(core_, "n", std::string(10'000, '1'));
  EXPECT_EQ(arith("n", true, 1).error(), ArithError::kNonNumeric);
}

// As memcached 1.6.18 answered.
TEST_F(KvStoreTest, NumbersAreWhatMemcachedTakesForOne) {
  using namespace std::string_view_literals;
  for (const std::string_view bad :
       {""sv, " "sv, "x"sv, "1x"sv, "1-"sv, "1.5"sv, "0x10"sv, "++1"sv, "+ 1"sv, "-1"sv, " -1"sv,
        "--1"sv, "-5 "sv, "\0"sv, "\0001"sv, "1\xa0"sv, "18446744073709551616"sv,
        "99999999999999999999"sv, "-9223372036854775808"sv}) {
    set(core_, "n", bad);
    for (const bool increment : {true, false}) {
      const auto value = arith("n", increment, 1);
      ASSERT_FALSE(value) << bad;
      EXPECT_EQ(value.error(), ArithError::kNonNumeric) << bad;
      EXPECT_EQ(get(core_, "n"), bad);
    }
  }
  for (const std::string_view one : {"1"sv,
                                     " 1"sv,
                                     "\t1"sv,
                                     "\n1"sv,
                                     "\r\n1"sv,
                                     "\v1"sv,
                                     "\f1"sv,
                                     "+1"sv,
                                     " +1"sv,
                                     "1 2"sv,
                                     "1\t"sv,
                                     "1\n"sv,
                                     "1\r"sv,
                                     "1\v"sv,
                                     "1\f"sv,
                                     "1 x"sv,
                                     "1\0"sv,
                                     "1\0x"sv,
                                     "1 \0"sv,
                                     "001"sv,
                                     "000000000000000000001"sv,
                                     "0000000000000000000000000000001"sv,
                                     "1                    "sv,
                                     "                    1"sv,
                                     "-18446744073709551615"sv,
                                     "1 99999999999999999999"sv}) {
    set(core_, "n", one);
    EXPECT_EQ(arith("n", true, 1), 2U) << one;
    EXPECT_EQ(get(core_, "n"), "2" + std::string(one.size() - 1, ' '));
    set(core_, "n", one);
    EXPECT_EQ(arith("n", false, 1), 0U) << one;
    EXPECT_EQ(get(core_, "n"), "0" + std::string(one.size() - 1, ' '));
  }
  set(core_, "n", "-0");
  EXPECT_EQ(arith("n", true, 1), 1U);
  set(core_, "n", "+18446744073709551615");
  EXPECT_EQ(arith("n", true, 1), 0U);
  set(core_, "n", "-9223372036854775809");
  EXPECT_EQ(arith("n", true, 1), 9223372036854775808U);
  const std::string longest = std::string(kInlineValueBytesMax - 1, '0') + "9";
  set(core_, "n", longest);
  EXPECT_EQ(arith("n", true, 1), 10U);
  EXPECT_EQ(get(core_, "n"), "10" + std::string(kInlineValueBytesMax - 2, ' '));
}

TEST_F(KvStoreTest, ExpiryIsExactAndSwept) {
  set(core_, "a", "1", {.expires_at = 1010});
  set(core_, "b", std::string(20'000, 'b'), {.expires_at = 1020});
  set(core_, "c", "3");
  core_.quiesce();
  EXPECT_EQ(get(core_, "a", at_second(1009)), "1");
  EXPECT_EQ(get(core_, "a", at_second(1010)), std::nullopt);
  EXPECT_EQ(core_.put(StoreMode::kReplace, "b", hash_key("b"), {}, "x", 0, at_second(1020)),
            StoreStatus::kNotStored);
  EXPECT_EQ(store_->stats().expired, 2U);
  set(core_, "d", "4", {.expires_at = 1030});
  set(core_, "e", std::string(20'000, 'e'), {.expires_at = 1030});
  EXPECT_EQ(store_->stats().items, 3U);
  for (int i = 0; i < 100; ++i) core_.maintain(at_second(1030), 100);
  EXPECT_EQ(store_->stats().items, 1U);
  EXPECT_EQ(core_.maintain(at_second(1030), 100), 0U);
  core_.quiesce();
  EXPECT_EQ(store_->memory().large_bytes, 0U);
  EXPECT_EQ(get(core_, "c", at_second(4'000'000'000)), "3");
}

TEST_F(KvStoreTest, TouchKeepsTheItem) {
  set(core_, "a", "1", {.flags = 9});
  set(core_, "b", std::string(20'000, 'b'));
  for (const std::string_view key : {"a", "b"}) {
    const std::uint64_t cas = cas_of(key);
    const std::string value = *get(core_, key);
    ASSERT_TRUE(core_.touch(key, hash_key(key), 2000, kNow));
    ASSERT_TRUE(core_.touch(key, hash_key(key), 3000, kNow));
    const auto item = core_.find(key, hash_key(key), at_second(2999));
    ASSERT_TRUE(item);
    EXPECT_EQ(item->cas, cas);
    EXPECT_EQ(item->meta.expires_at, 3000U);
    EXPECT_EQ(content(core_, *item), value);
    EXPECT_FALSE(core_.find(key, hash_key(key), at_second(3000)));
  }
  EXPECT_EQ(core_.touch("x", hash_key("x"), 2000, kNow).error(), StoreStatus::kNotFound);
  set(core_, "a", "1", {.expires_at = 2000});
  ASSERT_TRUE(core_.touch("a", hash_key("a"), 0, kNow));
  EXPECT_EQ(get(core_, "a", at_second(4'000'000'000)), "1");
}

TEST_F(KvStoreTest, FlushIsOnceAndForAll) {
  for (unsigned i = 0; i < 1000; ++i) set(core_, numbered("k", i), "v");
  set(core_, "large", std::string(50'000, 'x'));
  store_->flush_all(0, kNow);
  set(core_, "k1", "new");
  EXPECT_EQ(get(core_, "k0"), std::nullopt);
  EXPECT_EQ(get(core_, "large"), std::nullopt);
  EXPECT_EQ(get(core_, "k1"), "new");
  for (int i = 0; i < 100; ++i) core_.maintain(kNow, 100);
  EXPECT_EQ(store_->stats().items, 1U);

  store_->flush_all(1100, kNow);
  EXPECT_EQ(get(core_, "k1", at_second(1099)), "new");
  EXPECT_EQ(get(core_, "k1", at_second(1100)), std::nullopt);
  set(core_, "k2", "newer", {}, at_second(1100));
  EXPECT_EQ(get(core_, "k2", at_second(1100)), "newer");
}

TEST_F(KvStoreTest, PinnedValuesOutliveTheirItems) {
  const std::string value = patterned(1, 300'000);
  std::vector<PinnedValue> pinned;
  for (const std::string key : {"overwritten", "deleted", "flushed"}) {
    set(core_, key, value);
    pinned.push_back(core_.pin(*core_.find(key, hash_key(key), kNow)));
  }
  set(core_, "overwritten", patterned(2, 300'000));
  remove("deleted");
  store_->flush_all(0, kNow);
  for (unsigned i = 0; i < 20; ++i) {
    core_.quiesce();
    core_.maintain(kNow, 1000);
    set(core_, numbered("other", i), patterned(3, 300'000));
  }
  for (const PinnedValue& pin : pinned) EXPECT_EQ(content(pin), value);
}

TEST_F(KvStoreTest, DraftsArePublishedOrGivenBack) {
  const std::string value = patterned(1, 700'000);
  const auto reserve = [&] {
    return core_.reserve("k", hash_key("k"), {.flags = 4}, 700'000, kNow);
  };
  {
    auto draft = reserve();
    ASSERT_TRUE(draft);
    fill(*draft, std::string_view(value).substr(0));
    EXPECT_EQ(get(core_, "k"), std::nullopt);
    EXPECT_EQ(core_.publish(StoreMode::kSet, *draft, 0, kNow), StoreStatus::kStored);
  }
  EXPECT_EQ(get(core_, "k"), value);
  {
    auto draft = reserve();
    fill(*draft, value);
    EXPECT_EQ(core_.publish(StoreMode::kAdd, *draft, 0, kNow), StoreStatus::kNotStored);
    auto abandoned = reserve();
    ItemDraft moved = std::move(*abandoned);
    EXPECT_EQ(moved.key(), "k");
  }
  EXPECT_EQ(core_.reserve("k", hash_key("k"), {}, kItemBytesDefault + 1, kNow).error(),
            StoreStatus::kTooLarge);
  auto piece = core_.reserve("k", hash_key("k"), {}, 10'000, kNow);
  fill(*piece, value);
  EXPECT_EQ(publish_all(core_, StoreMode::kAppend, std::move(*piece), 0), StoreStatus::kStored);
  EXPECT_EQ(get(core_, "k"), value + value.substr(0, 10'000));
  remove("k");
  core_.quiesce();
  EXPECT_EQ(store_->memory().large_bytes, 0U);
  EXPECT_EQ(store_->stats().large_items, 0U);
}

TEST(KvStoreCreate, NamesWhatIsWrong) {
  using ::testing::HasSubstr;
  EXPECT_THAT(KvStore::create({.memory_bytes = kMiB}).error(), HasSubstr("memory limit 1048576"));
  EXPECT_THAT(KvStore::create({.cores = 0}).error(), HasSubstr("cores 0"));
  EXPECT_THAT(KvStore::create({.item_bytes_max = 0}).error(), HasSubstr("largest item 0"));
  EXPECT_THAT(KvStore::create({.item_bytes_max = 60 * kMiB}).error(), HasSubstr("largest item"));
  EXPECT_TRUE(KvStore::create({.memory_bytes = 4 * kMiB}));
}

}  // namespace
}  // namespace minos
