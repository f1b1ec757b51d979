// Random operations of every kind, compared one by one with a map.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <unordered_map>
#include <vector>

#include "store/testing/store_fixture.h"

namespace minos {
namespace {

using testing::at_second;
using testing::content;
using testing::fill;
using testing::make_store;
using testing::numbered;
using testing::patterned;
using testing::publish_all;
using testing::put_all;

struct ModelItem {
  std::string value;
  ItemMeta meta;
  std::uint64_t cas = 0;  // as the store gave it, learned by find()
};

class Model {
 public:
  explicit Model(UnixSeconds& now) : now_(now) {}

  ModelItem* find(const std::string& key) {
    const auto it = items_.find(key);
    if (it == items_.end()) return nullptr;
    const UnixSeconds at = it->second.meta.expires_at;
    if (at != 0 && at <= now_) {
      items_.erase(it);
      return nullptr;
    }
    return &it->second;
  }

  StoreStatus put(StoreMode mode, const std::string& key, ItemMeta meta, const std::string& value,
                  std::uint64_t cas) {
    ModelItem* item = find(key);
    if (mode == StoreMode::kAppend || mode == StoreMode::kPrepend) {
      if (item == nullptr) return StoreStatus::kNotStored;
      if (item->value.size() + value.size() > kItemBytesDefault) return StoreStatus::kTooLarge;
      item->value = mode == StoreMode::kAppend ? item->value + value : value + item->value;
      return StoreStatus::kStored;
    }
    if (mode == StoreMode::kAdd && item != nullptr) return StoreStatus::kNotStored;
    if (mode == StoreMode::kReplace && item == nullptr) return StoreStatus::kNotStored;
    if (mode == StoreMode::kCas && item == nullptr) return StoreStatus::kNotFound;
    if (mode == StoreMode::kCas && item->cas != cas) return StoreStatus::kExists;
    items_[key] = {value, meta, 0};
    return StoreStatus::kStored;
  }

  void erase(const std::string& key) { items_.erase(key); }
  void clear() { items_.clear(); }
  std::size_t live() {
    std::erase_if(items_, [this](const auto& item) {
      return item.second.meta.expires_at != 0 && item.second.meta.expires_at <= now_;
    });
    return items_.size();
  }

 private:
  UnixSeconds& now_;
  std::unordered_map<std::string, ModelItem> items_;
};

class ModelRun {
 public:
  explicit ModelRun(std::uint64_t seed, std::uint64_t keys) : prng_(seed), keys_(keys) {}

  void run(int operations) {
    for (int i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      step();
      if (i % 5 == 0) quiesce();
      if (i % 50 == 0) core().maintain(now(), 64);
      if (i % 300 == 0) ++unix_s_;
      const MemoryUse use = store_->memory();
      ASSERT_LE(use.used_bytes, use.limit_bytes);
    }
    for (std::uint64_t i = 0; i < keys_; ++i) check(numbered("key", i));
    quiesce();
    for (int i = 0; i < 1000; ++i) core().maintain(now(), 1000);
    EXPECT_EQ(store_->stats().items, model_.live());
    for (std::uint64_t i = 0; i < keys_; ++i) {
      const std::string key = numbered("key", i);
      core().remove(key, hash_key(key), now());
    }
    quiesce();
    EXPECT_EQ(store_->stats().items, 0U);
    EXPECT_EQ(store_->stats().item_bytes, 0U);
    EXPECT_EQ(store_->stats().large_items, 0U);
    EXPECT_EQ(store_->memory().large_bytes, 0U);
  }

 private:
  StoreCore& core() { return store_->core(CoreId{static_cast<std::uint16_t>(prng_.below(2))}); }
  void quiesce() {
    for (std::uint16_t core = 0; core < 2; ++core) store_->core(CoreId{core}).quiesce();
  }
  Now now() const { return at_second(unix_s_); }

  ItemMeta some_meta() {
    ItemMeta meta;
    if (prng_.below(3) == 0) meta.flags = static_cast<std::uint32_t>(prng_.next());
    if (prng_.below(4) == 0) meta.expires_at = unix_s_ + static_cast<UnixSeconds>(prng_.below(20));
    return meta;
  }
  std::string some_value() {
    const std::uint64_t kind = prng_.below(20);
    if (kind == 0) return patterned(prng_.next(), prng_.below(120'000));
    if (kind < 3) return patterned(prng_.next(), 7'000 + prng_.below(3'000));
    if (kind < 8) return numbered("", prng_.below(1000));
    if (kind < 10) {
      static constexpr std::string_view kParts[] = {" ", "1", "20", "+", "-", "\n", "x"};
      std::string value;
      while (prng_.below(5) != 0) value += kParts[prng_.below(std::size(kParts))];
      return value;
    }
    return patterned(prng_.next(), prng_.below(300));
  }

  void check(const std::string& key) { check(key, core().find(key, hash_key(key), now())); }

  // Keys that are there, that are not, that occur twice, and some that are only prefetched.
  void check_batch() {
    std::vector<std::string> keys(prng_.below(40));
    for (std::string& key : keys) {
      key = numbered(prng_.below(8) == 0 ? "none" : "key", prng_.below(keys_));
    }
    std::vector<Lookup> lookups;
    for (const std::string& key : keys) {
      lookups.push_back({.key = key, .hash = hash_key(key), .read = prng_.below(8) != 0});
    }
    // What an earlier batch found is overwritten.
    if (!lookups.empty()) lookups.front().item = ItemRef{};
    core().find_batch(lookups, now());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      ASSERT_EQ(lookups[i].key, keys[i]);
      if (lookups[i].read) {
        check(keys[i], lookups[i].item);
      } else {
        ASSERT_FALSE(lookups[i].item);
      }
    }
  }

  void check(const std::string& key, const std::optional<ItemRef>& item) {
    ModelItem* expected = model_.find(key);
    ASSERT_EQ(item.has_value(), expected != nullptr) << key;
    if (expected == nullptr) return;
    ASSERT_EQ(item->key, key);
    ASSERT_EQ(item->value_bytes, expected->value.size());
    ASSERT_TRUE(content(core(), *item) == expected->value) << key;
    ASSERT_EQ(item->meta.flags, expected->meta.flags);
    ASSERT_EQ(item->meta.expires_at, expected->meta.expires_at);
    expected->cas = item->cas;
  }

  void put(const std::string& key) {
    static constexpr StoreMode kModes[] = {
        StoreMode::kSet,     StoreMode::kSet,    StoreMode::kSet,     StoreMode::kAdd,
        StoreMode::kReplace, StoreMode::kAppend, StoreMode::kPrepend, StoreMode::kCas};
    const StoreMode mode = kModes[prng_.below(std::size(kModes))];
    const ItemMeta meta = some_meta();
    const std::string value = some_value();
    std::uint64_t cas = 1;
    if (mode == StoreMode::kCas && prng_.below(4) != 0) {
      check(key);
      if (ModelItem* item = model_.find(key); item != nullptr) cas = item->cas;
    }
    const StoreStatus expected = model_.put(mode, key, meta, value, cas);
    if (value.size() > kInlineValueBytesMax && prng_.below(2) == 0) {
      auto draft = core().reserve(key, hash_key(key), meta, value.size(), now());
      ASSERT_TRUE(draft);
      fill(*draft, value);
      ASSERT_EQ(publish_all(core(), mode, std::move(*draft), cas, now()), expected);
    } else {
      ASSERT_EQ(put_all(core(), mode, key, meta, value, cas, now()), expected);
    }
    check(key);
  }

  // As memcached does it.
  static std::optional<std::uint64_t> number_in(const std::string& value) {
    if (value.size() > kInlineValueBytesMax) return std::nullopt;
    errno = 0;
    char* end = nullptr;
    const std::uint64_t number = std::strtoull(value.c_str(), &end, 10);
    if (errno != 0 || end == value.c_str()) return std::nullopt;
    if (*end != '\0' && std::isspace(static_cast<unsigned char>(*end)) == 0) return std::nullopt;
    const bool negative = std::find(value.c_str(), static_cast<const char*>(end), '-') != end;
    if (negative && static_cast<std::int64_t>(number) < 0) return std::nullopt;
    return number;
  }

  void arith(const std::string& key) {
    const bool increment = prng_.below(2) == 0;
    const std::uint64_t delta = prng_.below(2000);
    const auto result = core().arith(key, hash_key(key), increment, delta, now());
    ModelItem* item = model_.find(key);
    if (item == nullptr) {
      ASSERT_EQ(result.error(), ArithError::kNotFound);
    } else if (!result) {
      ASSERT_EQ(result.error(), ArithError::kNonNumeric);
      ASSERT_FALSE(number_in(item->value)) << item->value;
    } else {
      ASSERT_TRUE(number_in(item->value)) << item->value;
      const std::uint64_t before = *number_in(item->value);
      const std::uint64_t after =
          increment ? before + delta : (before > delta ? before - delta : 0);
      ASSERT_EQ(*result, after);
      std::string text = std::to_string(after);
      text.resize(std::max(text.size(), item->value.size()), ' ');
      item->value = text;
    }
    check(key);
  }

  void step() {
    const std::string key = numbered("key", prng_.below(keys_));
    const std::uint64_t kind = prng_.below(100);
    if (kind < 40) {
      put(key);
    } else if (kind < 65) {
      check(key);
    } else if (kind < 70) {
      check_batch();
    } else if (kind < 80) {
      arith(key);
    } else if (kind < 90) {
      const bool expected = model_.find(key) != nullptr;
      ASSERT_EQ(core().remove(key, hash_key(key), now()), expected);
      model_.erase(key);
    } else if (kind < 99) {
      const UnixSeconds at =
          prng_.below(2) == 0 ? 0 : unix_s_ + static_cast<UnixSeconds>(prng_.below(20));
      const bool found = core().touch(key, hash_key(key), at, now()).has_value();
      ModelItem* item = model_.find(key);
      ASSERT_EQ(found, item != nullptr);
      if (found) item->meta.expires_at = at;
      check(key);
    } else if (prng_.below(20) == 0) {
      store_->flush_all(0, now());
      model_.clear();
    }
  }

  std::unique_ptr<KvStore> store_ = make_store({.memory_bytes = 64 * kMiB, .cores = 2});
  Prng prng_;
  std::uint64_t keys_;
  UnixSeconds unix_s_ = 1000;
  Model model_{unix_s_};
};

TEST(StoreModel, BehavesLikeAMap) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    SCOPED_TRACE(numbered("seed ", seed));
    ModelRun(seed, seed % 2 == 0 ? 30 : 800).run(20'000);
  }
}

}  // namespace
}  // namespace minos
