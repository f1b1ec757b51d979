#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "base/check.h"
#include "base/limits.h"
#include "store/kv_store.h"

namespace minos::store {

// The address of a record: its offset in the pool in granules. 0 = none (the pool starts with its
// own tables).
using Ref = std::uint32_t;

// How often an item was used since it was last considered for eviction, saturating.
inline constexpr std::uint8_t kUsesMax = 3;

inline constexpr std::uint64_t kCasMask = (std::uint64_t{1} << 48) - 1;

// One item in the log. Nothing changes once it is published, except the count of uses and the
// expiry, which are atomic.
//
//   0  u8   bits 0-1 uses, then which optional parts there are
//   1  u8   key bytes
//   2  u16  value bytes (large: unused)
//   4  u32  expiry, optional: here, because it must be aligned
//      u48  cas
//      u32  flags, optional
//           key
//           value, or u32 unit of the large value
class Record {
 public:
  static constexpr std::uint32_t kKeyAtMax = 18;  // where the key begins, at the latest

  struct Parts {
    std::string_view key;
    std::string_view value;        // inline
    std::uint32_t large_unit = 0;  // if not 0: instead of an inline value
    ItemMeta meta;
    std::uint64_t cas = 0;
    std::uint8_t uses = 0;
  };

  explicit Record(char* at) : at_(at) {}

  static std::uint32_t bytes_for(std::size_t key_bytes, std::size_t value_bytes,
                                 const ItemMeta& meta) {
    return static_cast<std::uint32_t>(kHeadBytes + kCasBytes + (meta.expires_at != 0 ? 4 : 0) +
                                      (meta.flags != 0 ? 4 : 0) + key_bytes + value_bytes);
  }
  static std::uint32_t bytes_for_large(std::size_t key_bytes, const ItemMeta& meta) {
    return bytes_for(key_bytes, sizeof(std::uint32_t), meta);
  }

  // Writes a whole record to memory that nobody reads yet.
  void write(const Parts& parts) {
    const bool large = parts.large_unit != 0;
    std::uint8_t bits = parts.uses;
    if (parts.meta.expires_at != 0) bits |= kHasExpiry;
    if (parts.meta.flags != 0) bits |= kHasFlags;
    if (large) bits |= kIsLarge;
    at_[0] = static_cast<char>(bits);
    at_[1] = static_cast<char>(parts.key.size());
    put_at(2, static_cast<std::uint16_t>(large ? 0 : parts.value.size()));
    std::uint32_t to = kHeadBytes;
    if (parts.meta.expires_at != 0) {
      put_at(to, parts.meta.expires_at);
      to += 4;
    }
    std::memcpy(at_ + to, &parts.cas, kCasBytes);  // little endian: the low 48 bits
    to += kCasBytes;
    if (parts.meta.flags != 0) {
      put_at(to, parts.meta.flags);
      to += 4;
    }
    std::memcpy(at_ + to, parts.key.data(), parts.key.size());
    to += static_cast<std::uint32_t>(parts.key.size());
    if (large) {
      put_at(to, parts.large_unit);
    } else if (!parts.value.empty()) {
      std::memcpy(at_ + to, parts.value.data(), parts.value.size());
    }
  }

  // Copies a published record; its count of uses and its expiry are read as atomics.
  void copy_from(const Record& other, std::uint32_t bytes, std::uint8_t uses) {
    const std::uint8_t bits = other.bits();
    std::uint32_t from = kHeadBytes;
    if ((bits & kHasExpiry) != 0) {
      put_at(from, other.expires_at());
      from += 4;
    }
    std::memcpy(at_ + 1, other.at_ + 1, kHeadBytes - 1);
    std::memcpy(at_ + from, other.at_ + from, bytes - from);
    at_[0] = static_cast<char>((bits & ~kUsesMask) | uses);
  }

  // Before it is published.
  void set_large_unit(std::uint32_t unit) { put_at(key_at(bits()) + key_bytes(), unit); }

  std::uint32_t bytes() const {
    const std::uint8_t b = bits();
    return key_at(b) + key_bytes() + ((b & kIsLarge) != 0 ? 4 : inline_bytes());
  }
  std::string_view key() const { return key(bits()); }
  bool has_key(std::string_view key) const { return has_key(key, bits()); }

  // For a look-up, which reads the first byte once: the compiler would not make one of several
  // atomic loads. It is passed to what wants to know of it.
  std::uint8_t bits() const { return bits_ref().load(std::memory_order_relaxed); }
  bool has_key(std::string_view key, std::uint8_t bits) const {
    return key_bytes() == key.size() && equal(at_ + key_at(bits), key.data(), key.size());
  }
  std::string_view key(std::uint8_t bits) const { return {at_ + key_at(bits), key_bytes()}; }
  // A record without optional parts. Told so, the compiler knows where everything is.
  static bool plain(std::uint8_t bits) { return plain_bits(bits) == bits; }
  static std::uint8_t plain_bits(std::uint8_t bits) { return bits & kUsesMask; }
  static bool large(std::uint8_t bits) { return (bits & kIsLarge) != 0; }
  std::string_view inline_value(std::uint8_t bits) const {
    return {at_ + key_at(bits) + key_bytes(), inline_bytes()};
  }
  std::uint64_t cas(std::uint8_t bits) const {
    // With two bytes of what follows, which is at least a key, and padding.
    return get_at<std::uint64_t>(kHeadBytes + (bits & kHasExpiry)) & kCasMask;
  }
  ItemMeta meta(std::uint8_t bits) const {
    ItemMeta meta;
    if ((bits & kHasExpiry) != 0) meta.expires_at = expires_at();
    if ((bits & kHasFlags) != 0) meta.flags = get_at<std::uint32_t>(key_at(bits) - 4);
    return meta;
  }
  // What is used often is not written any more, so that cores can share its line. Where the count
  // ends up instead is chosen without a branch, which would be hard to predict.
  void count_use(std::uint8_t bits, std::uint8_t& elsewhere) {
    std::uint8_t* to = reinterpret_cast<std::uint8_t*>(at_);
    to = (bits & kUsesMask) == kUsesMax ? &elsewhere : to;
    std::atomic_ref<std::uint8_t>(*to).store(static_cast<std::uint8_t>(bits + 1),
                                             std::memory_order_relaxed);
  }

  bool large() const { return large(bits()); }
  std::uint32_t large_unit() const { return get_at<std::uint32_t>(key_at(bits()) + key_bytes()); }
  std::string_view inline_value() const { return inline_value(bits()); }
  std::uint64_t cas() const { return cas(bits()); }
  ItemMeta meta() const { return meta(bits()); }

  bool has_expiry() const { return (bits() & kHasExpiry) != 0; }
  // Both relaxed: an expiry is a hint about time, it orders nothing. Only with has_expiry().
  UnixSeconds expires_at() const {
    return std::atomic_ref<UnixSeconds>(expiry_word()).load(std::memory_order_relaxed);
  }
  void set_expires_at(UnixSeconds at) {
    std::atomic_ref<UnixSeconds>(expiry_word()).store(at, std::memory_order_relaxed);
  }

  // Relaxed, and a lost count does no harm: uses only rank items for eviction.
  std::uint8_t uses() const { return bits() & kUsesMask; }
  void set_uses(std::uint8_t uses) {
    store_bits(static_cast<std::uint8_t>((bits() & ~kUsesMask) | uses));
  }

 private:
  static constexpr std::uint32_t kHeadBytes = 4;
  static constexpr std::uint32_t kCasBytes = 6;
  static constexpr std::uint8_t kUsesMask = 3;
  static constexpr std::uint8_t kHasExpiry = 4;
  static constexpr std::uint8_t kHasFlags = 8;
  static constexpr std::uint8_t kIsLarge = 16;

  std::atomic_ref<std::uint8_t> bits_ref() const {
    return std::atomic_ref<std::uint8_t>(*reinterpret_cast<std::uint8_t*>(at_));
  }
  void store_bits(std::uint8_t bits) { bits_ref().store(bits, std::memory_order_relaxed); }
  UnixSeconds& expiry_word() const { return *reinterpret_cast<UnixSeconds*>(at_ + kHeadBytes); }

  std::uint32_t key_bytes() const { return static_cast<std::uint8_t>(at_[1]); }
  std::uint32_t inline_bytes() const { return get_at<std::uint16_t>(2); }
  // Four bytes for each part that is there, without a branch.
  static std::uint32_t key_at(std::uint8_t bits) {
    static_assert(kHasExpiry == 4 && kHasFlags == 8);
    return kHeadBytes + kCasBytes + (bits & kHasExpiry) + (bits & kHasFlags) / 2U;
  }

  template <typename Word>
  static Word load(const char* from) {
    Word word;
    std::memcpy(&word, from, sizeof(word));
    return word;
  }
  // For keys, which are short: in words, the last of which may overlap.
  static bool equal(const char* a, const char* b, std::size_t bytes) {
    if (bytes >= 8) {
      for (std::size_t at = 0; at + 8 < bytes; at += 8) {
        if (load<std::uint64_t>(a + at) != load<std::uint64_t>(b + at)) return false;
      }
      return load<std::uint64_t>(a + bytes - 8) == load<std::uint64_t>(b + bytes - 8);
    }
    if (bytes >= 4) {
      return load<std::uint32_t>(a) == load<std::uint32_t>(b) &&
             load<std::uint32_t>(a + bytes - 4) == load<std::uint32_t>(b + bytes - 4);
    }
    for (std::size_t at = 0; at < bytes; ++at) {
      if (a[at] != b[at]) return false;
    }
    return true;
  }

  template <typename T>
  T get_at(std::uint32_t offset) const {
    return load<T>(at_ + offset);
  }
  template <typename T>
  void put_at(std::uint32_t offset, T value) {
    std::memcpy(at_ + offset, &value, sizeof(value));
  }

  char* at_;
};

// Where records begin: every `1 << shift` bytes, so that 32 bits address the whole pool.
struct Granule {
  std::uint32_t shift = 3;

  static Granule for_memory(std::uint64_t memory_bytes) {
    Granule granule;
    while ((memory_bytes >> granule.shift) > ~std::uint32_t{0}) ++granule.shift;
    return granule;
  }
  std::uint32_t round_up(std::uint32_t bytes) const {
    const std::uint32_t mask = (1U << shift) - 1;
    return (bytes + mask) & ~mask;
  }
};

}  // namespace minos::store
