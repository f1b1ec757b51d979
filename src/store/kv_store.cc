#include "store/kv_store.h"

#include <fmt/format.h>

#include <utility>

#include "base/check.h"
#include "store/kv_impl.h"

namespace minos {

namespace {

// What one call of charge_buffers() does for each segment it needs, each time cleaning a segment's
// worth. Bounded, as the caller may hold up what is freed.
constexpr std::uint64_t kReliefsPerSegment = 4;

}  // namespace

StoreCore::StoreCore(KvStore* store, std::uint16_t core)
    : store_(store), impl_(std::make_unique<Impl>(store->impl_->shared, core)) {}

StoreCore::~StoreCore() = default;

void StoreCore::quiesce() {
  impl_->core.quiesce();
}
void StoreCore::offline() {
  impl_->core.offline();
}
void StoreCore::online() {
  impl_->core.online();
}

void StoreCore::prefetch_bucket(std::uint64_t hash) const {
  impl_->core.prefetch_bucket(hash);
}

void StoreCore::prefetch_item(std::uint64_t hash, std::size_t key_bytes) const {
  impl_->core.prefetch_item(hash, key_bytes);
}

std::expected<ItemRef, StoreStatus> StoreCore::touch(std::string_view key, std::uint64_t hash,
                                                     UnixSeconds expires_at, Now now) {
  return impl_->core.touch(key, hash, expires_at, now);
}

PinnedValue StoreCore::pin(const ItemRef& item) {
  return {store_, item.large};
}

StoreStatus StoreCore::put(StoreMode mode, std::string_view key, std::uint64_t hash, ItemMeta meta,
                           std::string_view value, std::uint64_t cas, Now now) {
  return impl_->core.put(mode, key, hash, meta, value, cas, now);
}

std::expected<ItemDraft, StoreStatus> StoreCore::reserve(std::string_view key, std::uint64_t hash,
                                                         ItemMeta meta, std::uint64_t value_bytes,
                                                         Now now) {
  if (value_bytes > store_->options().item_bytes_max) {
    return std::unexpected(StoreStatus::kTooLarge);
  }
  if (!impl_->core.begin_draft(value_bytes)) return std::unexpected(StoreStatus::kOutOfMemory);
  ItemDraft draft(store_, key, hash, meta, value_bytes);
  if (!reserve_more(draft, now)) return std::unexpected(StoreStatus::kOutOfMemory);
  return draft;
}

bool StoreCore::reserve_more(ItemDraft& draft, Now now) {
  CHECK(draft);
  if (draft.reserved()) return true;
  store::LargeHeap::Growth growth{draft.value_, draft.value_bytes_, draft.key_hash_,
                                  draft.reserved_};
  const bool more = impl_->core.grow(growth, now);
  if (draft.value_ == nullptr && growth.value != nullptr) {
    draft.cursor_ = store::LargeHeap::begin(growth.value);
  }
  draft.value_ = growth.value;
  draft.reserved_ = growth.end;
  return more;
}

StoreStatus StoreCore::publish(StoreMode mode, ItemDraft& draft, std::uint64_t cas, Now now) {
  CHECK(draft && draft.complete());
  const StoreStatus status =
      impl_->core.publish(mode, draft.key(), draft.key_hash_, draft.meta_, draft.value_, cas, now);
  if (status != StoreStatus::kOutOfMemory) {
    draft.value_ = nullptr;
    draft.store_ = nullptr;
  }
  return status;
}

bool StoreCore::remove(std::string_view key, std::uint64_t hash, Now now) {
  return impl_->core.remove(key, hash, now);
}

std::expected<std::uint64_t, ArithError> StoreCore::arith(std::string_view key, std::uint64_t hash,
                                                          bool increment, std::uint64_t delta,
                                                          Now now) {
  return impl_->core.arith(key, hash, increment, delta, now);
}

std::uint32_t StoreCore::maintain(Now now, std::uint32_t budget) {
  return impl_->core.maintain(now, budget);
}

std::uint64_t StoreCore::last_cas() const {
  return impl_->core.last_cas();
}

bool StoreCore::memory_is_coming() const {
  return impl_->core.memory_is_coming();
}

std::uint64_t StoreCore::extension_progress() const {
  return impl_->core.extension_progress();
}

KvStore::KvStore() = default;
KvStore::~KvStore() = default;

std::uint64_t KvStore::memory_bytes_min(std::uint16_t cores) {
  return store::Shared::memory_bytes_min(cores);
}

std::expected<std::unique_ptr<KvStore>, std::string> KvStore::create(const StoreOptions& options) {
  if (options.cores == 0 || options.cores > kWorkersMax) {
    return std::unexpected(
        fmt::format("cores {} is not between 1 and {}", options.cores, kWorkersMax));
  }
  const std::uint64_t memory_min = memory_bytes_min(options.cores);
  if (options.memory_bytes < memory_min || options.memory_bytes > kMemoryBytesMax) {
    return std::unexpected(
        fmt::format("memory limit {} is not between {} ({} cores need that much) and {}",
                    options.memory_bytes, memory_min, options.cores, kMemoryBytesMax));
  }
  if (options.item_bytes_max == 0 || options.item_bytes_max > kItemBytesMax ||
      options.item_bytes_max > options.memory_bytes / 2) {
    return std::unexpected(
        fmt::format("largest item {} is not between 1 and {} and at most half the memory limit {}",
                    options.item_bytes_max, kItemBytesMax, options.memory_bytes));
  }
  auto pool =
      store::Pool::create(options.memory_bytes, store::Ghost::bytes_for(options.memory_bytes));
  if (!pool) return std::unexpected(pool.error());
  std::unique_ptr<KvStore> store(new KvStore);
  store->impl_ = std::make_unique<Impl>(options, std::move(*pool));
  Impl& impl = *store->impl_;
  if (!impl.shared.index.open()) return std::unexpected("cannot map memory for the index");
  for (std::uint16_t core = 0; core < options.cores; ++core) {
    impl.cores.emplace_back(new StoreCore(store.get(), core));
  }
  impl.service = std::make_unique<store::Core>(impl.shared, options.cores);
  return store;
}

StoreCore& KvStore::core(CoreId core) {
  CHECK(core.value < impl_->cores.size());
  return *impl_->cores[core.value];
}

void KvStore::flush_all(UnixSeconds at, Now now) {
  store::Shared& shared = impl_->shared;
  if (at > now.unix_s) {
    shared.flush.schedule(at);
  } else {
    shared.flush.apply(shared.next_cas);
    shared.sweep_begun.store(0, std::memory_order_relaxed);
  }
}

std::uint64_t KvStore::drafts_refused() const {
  return impl_->shared.drafts_refused.load(std::memory_order_relaxed);
}

bool KvStore::charge_buffers(std::uint64_t bytes) {
  store::Shared& shared = impl_->shared;
  const std::uint64_t segments = bytes / store::kSegmentBytes + 1;
  for (std::uint64_t tries = kReliefsPerSegment * segments; tries > 0; --tries) {
    if (shared.pool->charge(bytes, shared.reserve_segments)) return true;
    std::lock_guard lock(impl_->service_mutex);
    impl_->service->online();
    const bool more = impl_->service->relieve(bytes, {});
    impl_->service->offline();
    if (!more) return false;
  }
  return shared.pool->charge(bytes, shared.reserve_segments);
}

void KvStore::release_buffers(std::uint64_t bytes) {
  impl_->shared.pool->release(bytes);
}

std::uint64_t KvStore::prefault(std::uint64_t bytes_max) {
  return impl_->shared.pool->prefault(bytes_max);
}

MemoryUse KvStore::memory() const {
  const store::Shared& shared = impl_->shared;
  MemoryUse use;
  use.limit_bytes = shared.options.memory_bytes;
  // Before what the pool says, of which it is a part.
  const std::uint64_t directory_bytes = shared.index.directory_bytes();
  const store::Pool::Use pool = shared.pool->use();
  use.used_bytes = pool.bytes;
  use.log_bytes = (shared.log.segments() + shared.limbo.segments()) * store::kSegmentBytes;
  use.large_bytes = shared.heap.segments() * store::kSegmentBytes;
  use.index_bytes = shared.index.bytes();
  use.buffer_bytes = pool.outside_bytes - directory_bytes;
  use.other_bytes = shared.pool->fixed_segments() * store::kSegmentBytes + pool.withheld_bytes -
                    pool.outside_bytes;
  return use;
}

StoreStats KvStore::stats() const {
  StoreStats sum;
  const auto add = [&sum](const store::Counters& counters) {
    sum.items += counters.items.get();
    sum.item_bytes += counters.item_bytes.get();
    sum.items_total += counters.items_total.get();
    sum.large_items += counters.large_items.get();
    sum.evictions += counters.evictions.get();
    sum.expired += counters.expired.get();
  };
  for (const auto& core : impl_->cores) add(core->impl_->core.counters());
  add(impl_->service->counters());
  // A sum over cores that go on meanwhile may have seen an item's end without its beginning.
  for (std::uint64_t* count : {&sum.items, &sum.item_bytes, &sum.large_items}) {
    if (*count >> 63 != 0) *count = 0;
  }
  sum.index_pages = impl_->shared.index.pages();
  return sum;
}

const StoreOptions& KvStore::options() const {
  return impl_->shared.options;
}

}  // namespace minos
