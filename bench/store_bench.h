#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "base/hash.h"
#include "store/kv_store.h"

namespace minos {

inline constexpr Now kNow{Nanos(0), 1000};

inline double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline std::unique_ptr<KvStore> make_store(const StoreOptions& options) {
  auto store = KvStore::create(options);
  if (!store) {
    fmt::print(stderr, "{}\n", store.error());
    std::exit(1);
  }
  return std::move(*store);
}

// An 8-byte key.
struct Key {
  Key() = default;
  explicit Key(std::uint64_t n) { std::memcpy(bytes, &n, sizeof(n)); }
  std::string_view view() const { return {bytes, sizeof(bytes)}; }
  std::uint64_t hash() const { return hash_key(view()); }
  char bytes[8];
};

inline bool set(StoreCore& core, std::uint64_t n, std::string_view value) {
  const Key key(n);
  return core.put(StoreMode::kSet, key.view(), key.hash(), {}, value, 0, kNow) ==
         StoreStatus::kStored;
}

}  // namespace minos
