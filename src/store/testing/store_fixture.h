#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/hash.h"
#include "base/prng.h"
#include "store/kv_store.h"

namespace minos::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

inline std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

inline void expect_within_limit(const KvStore& store) {
  const MemoryUse use = store.memory();
  ASSERT_LE(use.used_bytes, use.limit_bytes);
  // At rest nothing is on its way from one use to another.
  ASSERT_EQ(use.used_bytes,
            use.log_bytes + use.large_bytes + use.index_bytes + use.buffer_bytes + use.other_bytes);
}

inline std::unique_ptr<KvStore> make_store(const StoreOptions& options) {
  auto store = KvStore::create(options);
  if (!store) {
    ADD_FAILURE() << store.error();
    return nullptr;
  }
  return std::move(*store);
}

inline Now at_second(UnixSeconds unix_s) {
  return {Nanos(0), unix_s};
}

inline const Now kNow = at_second(1000);

inline StoreStatus set(StoreCore& core, std::string_view key, std::string_view value,
                       ItemMeta meta = {}, Now now = kNow) {
  return core.put(StoreMode::kSet, key, hash_key(key), meta, value, 0, now);
}

inline std::string content(const PinnedValue& value) {
  std::string out;
  LargeCursor cursor = value.begin();
  while (out.size() < value.value_bytes()) {
    iovec parts[3];
    const std::size_t used = value.gather(cursor, 100'000, parts);
    for (std::size_t i = 0; i < used; ++i) {
      out.append(static_cast<const char*>(parts[i].iov_base), parts[i].iov_len);
      value.advance(cursor, parts[i].iov_len);
    }
  }
  return out;
}

inline std::string content(StoreCore& core, const ItemRef& item) {
  if (item.large == nullptr) return std::string(item.inline_value);
  return content(core.pin(item));
}

inline std::optional<std::string> get(StoreCore& core, std::string_view key, Now now = kNow) {
  const auto item = core.find(key, hash_key(key), now);
  if (!item) return std::nullopt;
  EXPECT_EQ(item->key, key);
  return content(core, *item);
}

inline std::string numbered(std::string_view prefix, std::uint64_t n) {
  return fmt::format("{}{}", prefix, n);
}

// A value whose every byte follows from the seed.
inline std::string patterned(std::uint64_t seed, std::size_t bytes) {
  std::string out(bytes, '\0');
  Prng prng(seed);
  std::size_t at = 0;
  for (; at + 8 <= bytes; at += 8) {
    const std::uint64_t word = prng.next();
    __builtin_memcpy(out.data() + at, &word, 8);
  }
  for (; at < bytes; ++at) out[at] = static_cast<char>(prng.next());
  return out;
}

// For appends and prepends to large values, which take several calls.
inline StoreStatus put_all(StoreCore& core, StoreMode mode, std::string_view key, ItemMeta meta,
                           std::string_view value, std::uint64_t cas, Now now = kNow) {
  for (;;) {
    const std::uint64_t progress = core.extension_progress();
    const StoreStatus status = core.put(mode, key, hash_key(key), meta, value, cas, now);
    if (status != StoreStatus::kOutOfMemory || core.extension_progress() == progress) return status;
  }
}
inline StoreStatus publish_all(StoreCore& core, StoreMode mode, ItemDraft&& draft,
                               std::uint64_t cas, Now now = kNow) {
  for (;;) {
    const std::uint64_t progress = core.extension_progress();
    const StoreStatus status = core.publish(mode, draft, cas, now);
    if (status != StoreStatus::kOutOfMemory || core.extension_progress() == progress) return status;
  }
}

// A draft with all its memory, however many calls that takes; nullopt if there is none.
inline std::optional<ItemDraft> reserve_all(StoreCore& core, std::string_view key,
                                            std::uint64_t value_bytes, ItemMeta meta = {}) {
  auto draft = core.reserve(key, hash_key(key), meta, value_bytes, kNow);
  if (!draft) return std::nullopt;
  while (!draft->reserved()) {
    if (!core.reserve_more(*draft, kNow)) return std::nullopt;
  }
  return std::move(*draft);
}

inline void fill(ItemDraft& draft, std::string_view value) {
  while (!draft.complete()) {
    iovec parts[2];
    const std::size_t used = draft.scatter(70'000, parts);
    for (std::size_t i = 0; i < used; ++i) {
      __builtin_memcpy(parts[i].iov_base, value.data() + draft.filled_bytes(), parts[i].iov_len);
      draft.filled(parts[i].iov_len);
    }
  }
}

}  // namespace minos::testing
