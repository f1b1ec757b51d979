#pragma once

#include <atomic>
#include <bit>
#include <cstdint>

#include "base/check.h"

namespace minos::store {

// Remembers which keys were evicted from the small queue lately, by a fingerprint: one that comes
// back was evicted too early. Direct mapped, so what is newer overwrites what is older.
//
// Any core, relaxed throughout: an error costs one item its place, nothing else.
class Ghost {
 public:
  static std::uint64_t bytes_for(std::uint64_t memory_bytes) { return memory_bytes / 256; }

  // `at` holds bytes_for() zeroed bytes.
  Ghost(void* at, std::uint64_t memory_bytes)
      : cells_(static_cast<std::atomic<Cell>*>(at)),
        count_(bytes_for(memory_bytes) / sizeof(Cell)) {
    CHECK(count_ != 0);
  }

  void add(std::uint64_t hash) { cell(hash).store(fingerprint(hash), std::memory_order_relaxed); }
  bool has(std::uint64_t hash) const {
    return cell(hash).load(std::memory_order_relaxed) == fingerprint(hash);
  }
  void remove(std::uint64_t hash) { cell(hash).store(0, std::memory_order_relaxed); }

 private:
  using Cell = std::uint8_t;
  __extension__ using Wide = unsigned __int128;

  std::atomic<Cell>& cell(std::uint64_t hash) const {
    return cells_[static_cast<std::uint64_t>((static_cast<Wide>(mix(hash)) * count_) >> 64)];
  }
  static Cell fingerprint(std::uint64_t hash) {
    const auto bits = static_cast<Cell>(mix(hash));
    return bits == 0 ? 1 : bits;
  }
  // Other bits than the index uses.
  static std::uint64_t mix(std::uint64_t hash) { return std::rotl(hash, 17) * 0x9e3779b97f4a7c15U; }

  std::atomic<Cell>* cells_;
  std::uint64_t count_;
};

}  // namespace minos::store
