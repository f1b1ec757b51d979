// Measures the store: memory per item, time per operation, hit ratio, residence.
//
//   minos_store_bench overhead | put | reserve | hits | shift
#include "store_bench.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "store/testing/cache_models.h"

namespace minos {
namespace {

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// Tiny 1..13 bytes 40 %, small 14..1400 bytes, and 0.0625 % of the keys large, 1500..500000 bytes.
std::size_t trimodal_bytes(std::uint64_t n) {
  std::uint64_t state = n;
  const std::uint64_t a = splitmix64(state);
  const std::uint64_t b = splitmix64(state);
  if (a % 1'600 == 0) return 1500 + b % 498'501;
  return (a >> 32) % 10 < 4 ? 1 + b % 13 : 14 + b % 1387;
}

template <typename SizeOf>
void overhead_of(std::string_view name, std::uint64_t memory_bytes, SizeOf size_of) {
  const auto store = make_store({.memory_bytes = memory_bytes, .evict = false});
  StoreCore& core = store->core(CoreId{0});
  const std::string value(kItemBytesDefault, 'v');
  const MemoryUse empty = store->memory();
  std::uint64_t items = 0;
  std::uint64_t payload = 0;
  double worst = 0;
  double sum = 0;
  int samples = 0;
  const auto per_item = [&] {
    const MemoryUse use = store->memory();
    return (static_cast<double>(use.used_bytes - empty.other_bytes) -
            static_cast<double>(payload)) /
               static_cast<double>(items) +
           static_cast<double>(empty.other_bytes) / static_cast<double>(memory_bytes) *
               static_cast<double>(payload) / static_cast<double>(items);
  };
  while (set(core, items, std::string_view(value).substr(0, size_of(items)))) {
    payload += 8 + size_of(items);
    ++items;
    core.quiesce();
    // From a quarter full on, at steps of 1 %.
    if (items > 100'000 && items % (items / 100) == 0 &&
        store->memory().used_bytes > memory_bytes / 4) {
      worst = std::max(worst, per_item());
      sum += per_item();
      ++samples;
    }
  }
  const MemoryUse use = store->memory();
  fmt::print(
      "{:9} {:9} items  when full {:5.1f} B  worst {:5.1f}  mean {:5.1f}   index {:4.1f} B\n", name,
      items,
      (static_cast<double>(memory_bytes) - static_cast<double>(payload)) /
          static_cast<double>(items),
      worst, sum / samples, static_cast<double>(use.index_bytes) / static_cast<double>(items));
}

void overhead() {
  fmt::print("memory per item beyond key and value, 8-byte keys; 'when full' = limit - payload\n");
  constexpr std::uint64_t kMemory = 1 * kGiB;
  for (const std::size_t bytes : {8U, 50U, 100U, 300U}) {
    overhead_of(fmt::format("{} B", bytes), kMemory, [bytes](std::uint64_t) { return bytes; });
  }
  overhead_of("trimodal", kMemory, trimodal_bytes);
}

void put() {
  fmt::print("put of new 8-byte keys into a full store of 1 GiB, evicting\n");
  for (const std::size_t bytes : {8U, 100U, 1000U, 8000U, 100'000U}) {
    const auto store = make_store({.memory_bytes = 1 * kGiB});
    StoreCore& core = store->core(CoreId{0});
    const std::string value(bytes, 'v');
    std::uint64_t n = 0;
    while (store->stats().evictions == 0) {
      CHECK(set(core, n++, value));
      core.quiesce();
    }
    const std::uint64_t puts = std::min<std::uint64_t>(8'000'000, 3 * kGiB / (bytes + 30));
    const double begin = seconds();
    double worst = 0;
    for (std::uint64_t i = 0; i < puts; ++i) {
      const double before = i % 16 == 0 ? seconds() : 0;
      CHECK(set(core, n++, value));
      core.quiesce();
      if (before != 0) worst = std::max(worst, seconds() - before);
    }
    fmt::print("  {:6} B  {:7.0f} ns  worst seen {:.0f} us\n", bytes,
               (seconds() - begin) / static_cast<double>(puts) * 1e9, worst * 1e6);
  }
}

// The longest call is what a small request may wait for.
void reserve() {
  fmt::print("reserve in a full store of 1 GiB, 60-byte items: time of one call, of all\n");
  const std::string value(60, 'v');
  for (const std::uint64_t bytes : {1 * kMiB, 16 * kMiB, 256 * kMiB}) {
    const auto store = make_store({.memory_bytes = 1 * kGiB, .item_bytes_max = 256 * kMiB});
    StoreCore& core = store->core(CoreId{0});
    std::uint64_t n = 0;
    while (store->stats().evictions == 0) {
      CHECK(set(core, n++, value));
      core.quiesce();
    }
    store->prefault(kGiB);
    std::vector<double> calls;
    const int rounds = bytes == kMiB ? 100 : 2;
    for (int round = 0; round < rounds; ++round) {
      const Key key(n++);
      double begin = seconds();
      auto draft = core.reserve(key.view(), key.hash(), {}, bytes, kNow);
      calls.push_back(seconds() - begin);
      CHECK(draft);
      while (!draft->reserved()) {
        core.quiesce();
        begin = seconds();
        CHECK(core.reserve_more(*draft, kNow));
        calls.push_back(seconds() - begin);
      }
      // Kept, so that the next one finds the store full.
      while (!draft->complete()) {
        iovec part{};
        draft->scatter(bytes, {&part, 1});
        draft->filled(part.iov_len);
      }
      CHECK(core.publish(StoreMode::kSet, *draft, 0, kNow) == StoreStatus::kStored);
      core.quiesce();
    }
    std::sort(calls.begin(), calls.end());
    double sum = 0;
    for (const double call : calls) sum += call;
    fmt::print("  {:3} MiB  {:5} calls  p50 {:4.0f} us  p99 {:4.0f}  worst {:5.0f}  all {:8.0f}\n",
               bytes / kMiB, calls.size() / static_cast<std::size_t>(rounds),
               calls[calls.size() / 2] * 1e6, calls[calls.size() * 99 / 100] * 1e6,
               calls.back() * 1e6, sum / rounds * 1e6);
  }
}

double store_hits(double skew, std::uint64_t keys, std::uint64_t memory, std::size_t bytes,
                  std::uint64_t requests, std::uint64_t& capacity) {
  const auto store = make_store({.memory_bytes = memory});
  StoreCore& core = store->core(CoreId{0});
  testing::ZipfKeys zipf(keys, skew, 1);
  const std::string value(bytes, 'v');
  std::uint64_t hits = 0;
  for (std::uint64_t i = 0; i < requests; ++i) {
    const std::uint64_t n = zipf.next();
    const Key key(n);
    if (core.find(key.view(), key.hash(), kNow)) {
      hits += i >= requests / 2 ? 1 : 0;
    } else {
      CHECK(set(core, n, value));
    }
    core.quiesce();
  }
  capacity = store->stats().items;
  return static_cast<double>(hits) / static_cast<double>(requests - requests / 2);
}

void hits() {
  fmt::print("hit ratio of the second half, as many items in each model as the store held\n");
  constexpr std::uint64_t kRequests = 20'000'000;
  for (const double skew : {0.8, 0.99, 1.1}) {
    for (const std::uint64_t divisor : {100U, 10U, 3U}) {
      constexpr std::uint64_t kKeys = 4'000'000;
      std::uint64_t items = 0;
      const double store = store_hits(skew, kKeys, kKeys / divisor * 140, 100, kRequests, items);
      fmt::print("zipf {:4.2f}  cache {:5.1f} %  store {:.4f}", skew,
                 100.0 * static_cast<double>(items) / kKeys, store);
      for (const testing::CacheModel model : testing::kCacheModels) {
        testing::ZipfKeys zipf(kKeys, skew, 1);
        fmt::print("  {} {:.4f}", testing::name_of(model),
                   testing::hit_ratio(model, items, kRequests, zipf));
      }
      fmt::print("\n");
      std::fflush(stdout);
    }
  }
}

void shift() {
  constexpr std::uint64_t kMemory = 512 * kMiB;
  const std::uint64_t before = resident_bytes();
  const auto store = make_store({.memory_bytes = kMemory});
  StoreCore& core = store->core(CoreId{0});
  std::uint64_t n = 0;
  fmt::print("item size, occupancy (item bytes / limit), resident / limit\n");
  for (const std::size_t bytes : {100U, 1000U, 4000U, 500'000U, 4000U, 20'000U, 1000U, 100U}) {
    const std::string value(bytes, 'v');
    for (std::uint64_t written = 0; written < 3 * kMemory; written += bytes + 30) {
      CHECK(set(core, n++, value));
      core.quiesce();
    }
    fmt::print("  {:6} B  {:.3f}  {:.3f}\n", bytes,
               static_cast<double>(store->stats().item_bytes) / kMemory,
               static_cast<double>(resident_bytes() - before) / kMemory);
  }
}

}  // namespace
}  // namespace minos

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "overhead") {
    minos::overhead();
  } else if (what == "put") {
    minos::put();
  } else if (what == "reserve") {
    minos::reserve();
  } else if (what == "hits") {
    minos::hits();
  } else if (what == "shift") {
    minos::shift();
  } else {
    fmt::print(stderr, "usage: minos_store_bench overhead | put | reserve | hits | shift\n");
    return 2;
  }
  return 0;
}
