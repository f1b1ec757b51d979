// Measures look-ups in the store: one by one, in batches whose order counts, in batches, each
// beside the least that such a look-up must do, in slices that alternate, as other work on the
// machine comes and goes.
//
//   minos_store_get_bench [MILLIONS [VALUE_BYTES [ROUNDS]]]
#include <sys/mman.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "store_bench.h"

namespace minos {
namespace {

// The least a look-up must do: hash, a line of a table, a line of the items; on huge pages.
class Floor {
 public:
  Floor(std::uint64_t items, std::uint64_t index_bytes, std::uint64_t log_bytes)
      : items_(items), buckets_(index_bytes / 64), lines_(log_bytes / 64) {
    bytes_ = (index_bytes + log_bytes + 4 * kMiB) & ~(2 * kMiB - 1);
    at_ = static_cast<char*>(
        mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(at_ != MAP_FAILED);
    madvise(at_, bytes_, MADV_HUGEPAGE);
    std::memset(at_, 1, bytes_);
  }
  ~Floor() { munmap(at_, bytes_); }

  const char* bucket(std::uint64_t hash) const { return at_ + scale(hash, buckets_) * 64; }
  // Depends on what the bucket says, as a ref does.
  const char* line(std::uint64_t hash, const char* bucket) const {
    return at_ + (buckets_ + scale(hash * 0x9e3779b97f4a7c15U, lines_)) * 64 +
           (*bucket == 1 ? 0 : 64);
  }
  std::uint64_t items() const { return items_; }

 private:
  static std::uint64_t scale(std::uint64_t hash, std::uint64_t bound) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(hash) * bound) >> 64);
  }
  std::uint64_t items_;
  std::uint64_t buckets_;
  std::uint64_t lines_;
  std::uint64_t bytes_ = 0;
  char* at_ = nullptr;
};

constexpr std::uint64_t kSlice = 512 * 1024;  // look-ups
constexpr std::size_t kBatch = 32;

class GetBench {
 public:
  GetBench(StoreCore& core, const Floor& floor) : core_(core), floor_(floor) {}

  std::uint64_t sink() const { return sink_; }

  void one() {
    for (std::uint64_t i = 0; i < kSlice; ++i) {
      if (i % kBatch == 0) core_.quiesce();
      const Key key = some_key();
      take(core_.find(key.view(), key.hash(), kNow));
    }
  }
  void one_floor() {
    for (std::uint64_t i = 0; i < kSlice; ++i) {
      const std::uint64_t hash = some_key().hash();
      touch(floor_.line(hash, floor_.bucket(hash)));
    }
  }
  void ordered() {
    std::array<Key, kBatch> keys;
    std::array<std::uint64_t, kBatch> hashes;
    for (std::uint64_t i = 0; i < kSlice; i += kBatch) {
      core_.quiesce();
      for (std::size_t j = 0; j < kBatch; ++j) {
        keys[j] = some_key();
        hashes[j] = keys[j].hash();
        core_.prefetch_bucket(hashes[j]);
      }
      for (const std::uint64_t hash : hashes) core_.prefetch_item(hash, sizeof(Key));
      for (std::size_t j = 0; j < kBatch; ++j) {
        take(core_.find(keys[j].view(), hashes[j], kNow));
      }
    }
  }
  template <bool kCopy>
  void batch() {
    std::array<Key, kBatch> keys;
    std::array<Lookup, kBatch> lookups;
    for (std::uint64_t i = 0; i < kSlice; i += kBatch) {
      core_.quiesce();
      for (std::size_t j = 0; j < kBatch; ++j) {
        keys[j] = some_key();
        lookups[j].key = keys[j].view();
        lookups[j].hash = keys[j].hash();
      }
      core_.find_batch(lookups, kNow);
      for (const Lookup& lookup : lookups) {
        take(lookup.item);
        if (kCopy) copy(lookup.item->inline_value);
      }
    }
  }
  void batch_floor() {
    std::array<std::uint64_t, kBatch> hashes;
    for (std::uint64_t i = 0; i < kSlice; i += kBatch) {
      for (std::uint64_t& hash : hashes) {
        hash = some_key().hash();
        __builtin_prefetch(floor_.bucket(hash));
      }
      for (const std::uint64_t hash : hashes) {
        __builtin_prefetch(floor_.line(hash, floor_.bucket(hash)));
      }
      for (const std::uint64_t hash : hashes) touch(floor_.line(hash, floor_.bucket(hash)));
    }
  }

 private:
  Key some_key() { return Key(prng_.below(floor_.items())); }
  void touch(const char* at) { sink_ += static_cast<std::uint64_t>(*at); }
  void take(const std::optional<ItemRef>& item) {
    CHECK(item);
    touch(item->inline_value.data());
  }
  void copy(std::string_view value) {
    std::memcpy(reply_.data(), value.data(), value.size());
    touch(reply_.data());
  }

  StoreCore& core_;
  const Floor& floor_;
  Prng prng_{1};
  std::uint64_t sink_ = 0;
  std::array<char, kInlineValueBytesMax> reply_;
};

// Of what is resident, MiB, and of that on huge pages.
void print_huge_pages() {
  std::ifstream smaps("/proc/self/smaps_rollup");
  std::string word;
  while (smaps >> word) {
    if (word != "Rss:" && word != "AnonHugePages:") continue;
    std::uint64_t kib = 0;
    smaps >> kib;
    fmt::print("{} {} MiB  ", word, kib / 1024);
  }
  fmt::print("\n");
}

double median(std::vector<double> of) {
  std::sort(of.begin(), of.end());
  return of[of.size() / 2];
}

// Of this thread alone, so that being scheduled away does not count.
double cpu_seconds() {
  timespec time{};
  CHECK(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

template <typename Slice>
double ns_each(Slice slice) {
  const double begin = cpu_seconds();
  slice();
  return (cpu_seconds() - begin) / kSlice * 1e9;
}

void measure(StoreCore& core, const Floor& floor, int rounds) {
  GetBench bench(core, floor);
  constexpr std::array kNames = {"one by one", "in order, prefetched", "batch",
                                 "batch, values copied"};
  std::array<std::vector<double>, kNames.size()> times;
  std::array<std::vector<double>, kNames.size()> floors;
  std::array<std::vector<double>, kNames.size()> ratios;
  for (int round = 0; round < rounds; ++round) {
    const double one_floor = ns_each([&] { bench.one_floor(); });
    const double one = ns_each([&] { bench.one(); });
    const double ordered = ns_each([&] { bench.ordered(); });
    const double before = ns_each([&] { bench.batch_floor(); });
    const double batch = ns_each([&] { bench.batch<false>(); });
    const double after = ns_each([&] { bench.batch_floor(); });
    const double copied = ns_each([&] { bench.batch<true>(); });
    const std::array ours = {one, ordered, batch, copied};
    const std::array least = {one_floor, before, (before + after) / 2, after};
    for (std::size_t i = 0; i < kNames.size(); ++i) {
      times[i].push_back(ours[i]);
      floors[i].push_back(least[i]);
      ratios[i].push_back(ours[i] / least[i]);
    }
  }
  fmt::print("medians of {} slices: ns of CPU time a look-up, of the floor, ratio\n", rounds);
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    fmt::print("  {:22} {:6.1f} {:6.1f}  {:.2f}   least {:.1f} {:.1f}\n", kNames[i],
               median(times[i]), median(floors[i]), median(ratios[i]), std::ranges::min(times[i]),
               std::ranges::min(floors[i]));
  }
  if (bench.sink() == 42) fmt::print("\n");
}

void run(std::uint64_t items, std::size_t value_bytes, int rounds) {
  const auto store = make_store({.memory_bytes = items * (value_bytes + 68) + 256 * kMiB});
  StoreCore& core = store->core(CoreId{0});
  const std::string value(value_bytes, '\1');
  const double begin = seconds();
  for (std::uint64_t i = 0; i < items; ++i) {
    CHECK(set(core, i, value));
    core.quiesce();
  }
  fmt::print("insert {:.0f} ns, growing to {} items, page faults included\n",
             (seconds() - begin) / static_cast<double>(items) * 1e9, items);
  CHECK(store->stats().items == items);
  const MemoryUse use = store->memory();
  const Floor floor(items, use.index_bytes, use.log_bytes);
  print_huge_pages();
  // So that no look-up has to write that the item was used.
  for (int uses = 0; uses < 3; ++uses) {
    for (std::uint64_t i = 0; i < items; ++i) {
      const Key key(i);
      CHECK(core.find(key.view(), key.hash(), kNow));
      core.quiesce();
    }
  }
  measure(core, floor, rounds);
}

}  // namespace
}  // namespace minos

int main(int argc, char** argv) {
  const auto number = [&](int i, std::uint64_t otherwise) {
    return argc > i ? std::strtoull(argv[i], nullptr, 10) : otherwise;
  };
  minos::run(number(1, 20) * 1'000'000, number(2, 32), static_cast<int>(number(3, 31)));
  return 0;
}
