// Four threads on the same keys. An error shows as a value that does not verify, a counter that
// goes back, increments that do not add up, or a report of the thread sanitizer.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "store/testing/store_fixture.h"

namespace minos {
namespace {

using testing::content;
using testing::fill;
using testing::get;
using testing::kNow;
using testing::make_store;
using testing::numbered;
using testing::reserve_all;
using testing::set;

constexpr int kRounds = testing::kSanitized ? 20'000 : 150'000;
constexpr std::uint16_t kThreads = 4;

// "<key>|" and then every byte follows from the key and a seed that comes first.
std::string verifiable(std::string_view key, std::uint64_t seed, std::size_t bytes) {
  std::string out = fmt::format("{}|{:016x}|", key, seed);
  const std::size_t head = out.size();
  out.resize(head + bytes);
  for (std::size_t i = 0; i < bytes; ++i) out[head + i] = static_cast<char>(seed + i * 7);
  return out;
}

bool verifies(std::string_view key, const std::string& value) {
  const std::size_t head = key.size() + 18;
  if (value.size() < head || value.substr(0, key.size()) != key) return false;
  const std::uint64_t seed = std::stoull(value.substr(key.size() + 1, 16), nullptr, 16);
  return value == verifiable(key, seed, value.size() - head);
}

class Hammer {
 public:
  explicit Hammer(const StoreOptions& options, std::size_t new_bytes = 8)
      : store_(make_store(options)),
        new_bytes_(new_bytes),
        evicting_(options.evict && options.memory_bytes < 64 * kMiB) {}

  void run() {
    std::vector<std::thread> threads;
    for (std::uint16_t thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([this, thread] { work(thread); });
    }
    for (std::thread& thread : threads) thread.join();
  }

  KvStore& store() { return *store_; }
  StoreCore& core() { return store_->core(CoreId{0}); }
  std::uint64_t increments() const { return increments_.load(); }
  int errors() const { return errors_.load(); }

 private:
  static constexpr std::uint64_t kKeys = 300;

  void expect(bool ok) {
    if (!ok) errors_.fetch_add(1);
  }

  void write(StoreCore& core, Prng& prng, const std::string& key) {
    std::size_t bytes = prng.below(200);
    if (prng.below(30) == 0) bytes = 5'000 + prng.below(60'000);
    const std::string value = verifiable(key, prng.next(), bytes);
    const std::uint64_t hash = hash_key(key);
    if (value.size() > kInlineValueBytesMax && prng.below(2) == 0) {
      auto draft = reserve_all(core, key, value.size());
      if (!draft) return;
      fill(*draft, value);
      if (prng.below(8) != 0) core.publish(StoreMode::kSet, *draft, 0, kNow);
    } else if (prng.below(4) == 0) {
      const auto item = core.find(key, hash, kNow);
      const std::uint64_t cas = item ? item->cas : 0;
      core.put(StoreMode::kCas, key, hash, {}, value, cas, kNow);
    } else {
      core.put(StoreMode::kSet, key, hash, {}, value, 0, kNow);
    }
  }

  void read(StoreCore& core, const std::string& key, std::vector<PinnedValue>& pins, Prng& prng) {
    read(core, key, core.find(key, hash_key(key), kNow), pins, prng);
  }

  // Among them the keys that only rise: those that are read again must not have fallen.
  void read_batch(StoreCore& core, std::vector<PinnedValue>& pins,
                  std::array<std::uint64_t, kThreads>& seen, Prng& prng) {
    constexpr std::size_t kBatch = 24;
    std::array<std::string, kBatch> keys;
    std::array<Lookup, kBatch> lookups;
    for (std::size_t i = 0; i < kBatch; ++i) {
      keys[i] = i < kThreads ? numbered("rising", i) : numbered("key", prng.below(kKeys));
      lookups[i] = {.key = keys[i], .hash = hash_key(keys[i]), .read = i % 8 != 7};
    }
    core.find_batch(lookups, kNow);
    for (std::size_t i = 0; i < kBatch; ++i) {
      if (i >= kThreads) {
        read(core, keys[i], lookups[i].item, pins, prng);
      } else if (lookups[i].item) {
        expect(lookups[i].item->key == keys[i]);
        const std::uint64_t number = std::stoull(content(core, *lookups[i].item));
        expect(number >= seen[i]);
        seen[i] = number;
      } else {
        expect(seen[i] == 0 || evicting_);
      }
    }
  }

  void read(StoreCore& core, const std::string& key, const std::optional<ItemRef>& item,
            std::vector<PinnedValue>& pins, Prng& prng) {
    if (!item) return;
    expect(item->key == key);
    expect(verifies(key, content(core, *item)));
    if (item->large != nullptr && prng.below(4) == 0) {
      PinnedValue& pin = pins[prng.below(pins.size())];
      if (pin) {
        const std::string held = content(pin);
        expect(verifies(held.substr(0, held.find('|')), held));
      }
      pin = core.pin(*item);
    }
  }

  // One writer raises it; readers must never see it fall.
  void monotone(StoreCore& core, std::uint16_t thread, std::array<std::uint64_t, kThreads>& seen,
                Prng& prng) {
    if (prng.below(2) == 0) {
      const std::string value = std::to_string(++raised_[thread]);
      const std::string key = numbered("rising", thread);
      if (set(core, key, value) != StoreStatus::kStored) --raised_[thread];
      return;
    }
    const auto other = static_cast<std::uint16_t>(prng.below(kThreads));
    const auto value = get(core, numbered("rising", other));
    if (!value) return;
    const std::uint64_t number = std::stoull(*value);
    expect(number >= seen[other]);
    seen[other] = number;
  }

  void work(std::uint16_t thread) {
    StoreCore& core = store_->core(CoreId{thread});
    core.online();
    Prng prng(thread + 1);
    std::vector<PinnedValue> pins(4);
    std::array<std::uint64_t, kThreads> seen{};
    for (int round = 0; round < kRounds; ++round) {
      const std::string key = numbered("key", prng.below(kKeys));
      const std::uint64_t kind = prng.below(100);
      if (kind < 30) {
        write(core, prng, key);
      } else if (kind < 50) {
        read(core, key, pins, prng);
      } else if (kind < 60) {
        read_batch(core, pins, seen, prng);
      } else if (kind < 65) {
        core.remove(key, hash_key(key), kNow);
      } else if (kind < 75) {
        const std::uint64_t hash = hash_key("counter");
        if (core.arith("counter", hash, true, 3, kNow)) increments_.fetch_add(3);
      } else if (kind < 78) {
        if (core.put(StoreMode::kAppend, "appended", hash_key("appended"), {}, "x", 0, kNow) ==
            StoreStatus::kStored) {
          appended_.fetch_add(1);
        }
      } else if (kind < 88) {
        monotone(core, thread, seen, prng);
      } else if (kind < 98) {
        // New keys, so that pages split and memory runs out meanwhile.
        set(core, numbered("new", prng.next()), std::string(new_bytes_, 'v'));
      } else {
        core.touch(key, hash_key(key), prng.below(2) == 0 ? 0 : 100'000, kNow);
      }
      if (round % 8 == 0) core.quiesce();
      if (round % 64 == 0) core.maintain(kNow, 32);
      if (round % 4096 == 0) {
        core.offline();
        core.online();
      }
    }
    core.offline();
  }

 public:
  std::uint64_t appended() const { return appended_.load(); }

 private:
  std::unique_ptr<KvStore> store_;
  std::size_t new_bytes_;  // of the keys that are written once
  bool evicting_;          // no key is sure to be there
  std::atomic<int> errors_{0};
  std::atomic<std::uint64_t> increments_{0};
  std::atomic<std::uint64_t> appended_{0};
  std::array<std::uint64_t, kThreads> raised_{};
};

TEST(StoreConcurrency, NothingIsTornLostOrStale) {
  Hammer hammer({.memory_bytes = 256 * kMiB, .cores = kThreads});
  StoreCore& core = hammer.core();
  set(core, "counter", "0");
  set(core, "appended", "");
  core.offline();
  hammer.run();
  EXPECT_EQ(hammer.errors(), 0);
  EXPECT_EQ(get(core, "counter"), std::to_string(hammer.increments()));
  EXPECT_EQ(get(core, "appended").value().size(), hammer.appended());
  EXPECT_GT(hammer.store().stats().index_pages, 8U);
}

TEST(StoreConcurrency, HoldsWhileEvicting) {
  for (const bool evict : {true, false}) {
    Hammer hammer({.memory_bytes = 12 * kMiB, .evict = evict, .cores = kThreads}, 2000);
    set(hammer.core(), "counter", "0");
    hammer.core().offline();
    hammer.run();
    EXPECT_EQ(hammer.errors(), 0);
    EXPECT_EQ(hammer.store().stats().evictions != 0, evict);
    const MemoryUse use = hammer.store().memory();
    EXPECT_LE(use.used_bytes, use.limit_bytes);
  }
}

// Items that one core stores and another removes.
TEST(StoreConcurrency, CountsAreNeverNegative) {
  const auto store = make_store({.memory_bytes = 32 * kMiB, .cores = 2});
  std::atomic<std::uint64_t> stored{0};
  std::atomic<bool> stop{false};
  std::thread adder([&] {
    StoreCore& core = store->core(CoreId{0});
    for (std::uint64_t n = 1; !stop.load(); ++n) {
      set(core, numbered("key", n), "value");
      stored.store(n);
      core.quiesce();
    }
    core.offline();
  });
  std::thread remover([&] {
    StoreCore& core = store->core(CoreId{1});
    for (std::uint64_t n = 1; !stop.load();) {
      if (n > stored.load()) continue;
      const std::string key = numbered("key", n++);
      core.remove(key, hash_key(key), kNow);
      core.quiesce();
    }
    core.offline();
  });
  std::uint64_t most = 0;
  while (stored.load() < 4 * kRounds) most = std::max(most, store->stats().items);
  stop.store(true);
  adder.join();
  remover.join();
  EXPECT_LE(most, stored.load());
}

TEST(StoreConcurrency, BuffersAreChargedMeanwhile) {
  Hammer hammer({.memory_bytes = 24 * kMiB, .cores = kThreads}, 2000);
  std::atomic<bool> stop{false};
  std::thread charger([&] {
    Prng prng(7);
    std::uint64_t charged = 0;
    while (!stop.load()) {
      if (charged < 8 * kMiB && hammer.store().charge_buffers(300'000)) charged += 300'000;
      if (charged != 0 && prng.below(3) == 0) {
        hammer.store().release_buffers(300'000);
        charged -= 300'000;
      }
      hammer.store().prefault(kMiB);
      const MemoryUse use = hammer.store().memory();
      EXPECT_LE(use.used_bytes, use.limit_bytes);
    }
    hammer.store().release_buffers(charged);
  });
  hammer.run();
  stop.store(true);
  charger.join();
  EXPECT_EQ(hammer.errors(), 0);
  hammer.core().quiesce();
  const MemoryUse use = hammer.store().memory();
  EXPECT_EQ(use.buffer_bytes, 0U);
  EXPECT_EQ(use.used_bytes, use.log_bytes + use.large_bytes + use.index_bytes + use.other_bytes);
}

}  // namespace
}  // namespace minos
