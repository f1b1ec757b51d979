#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/limits.h"

namespace minos {

// The paper's three kinds of value: 1 to 13 bytes, 14 to 1400, and 1500 to a maximum; see limits.h.
enum class LoadClass : std::uint8_t { kTiny, kSmall, kLarge };

inline constexpr std::size_t kLoadClasses = 3;
inline constexpr std::uint32_t kLargeBytesMin = 1500;

// Keys are indices in [0, key_count()): first the non-large, then the large ones. What an index
// holds is a pure function of it and of these options, so that whoever writes a key and whoever
// reads it agree without talking.
class KeySpace {
 public:
  struct Options {
    std::uint32_t keys = 0;        // non-large
    std::uint32_t large_keys = 0;  // with keys and first_key, <= 2^32 - 1
    std::uint32_t large_bytes_min = kLargeBytesMin;
    std::uint32_t large_bytes_max = 0;  // >= large_bytes_min where large_keys > 0
    std::uint32_t value_bytes = 0;      // of every non-large key; 0: tiny and small are mixed
    std::uint32_t first_key = 0;        // what the server sees as the key of index 0
    std::uint64_t seed = 0;
  };

  struct Item {
    std::uint32_t value_bytes = 0;
    LoadClass size_class = LoadClass::kTiny;
  };

  static constexpr std::size_t kKeyBytes = 8;
  using Key = std::array<char, kKeyBytes>;

  explicit KeySpace(const Options& options);

  const Options& options() const { return options_; }
  std::uint32_t key_count() const { return options_.keys + options_.large_keys; }
  Item item(std::uint32_t index) const;

  // The key as the server sees it: first_key + index in hexadecimal.
  Key key(std::uint32_t index) const;

  // The key's value, `value_bytes` long, at most the largest that any key has. Lives as long as the
  // key space.
  std::string_view value(std::uint32_t index, std::uint32_t value_bytes) const;

 private:
  Options options_;
  std::vector<char> pattern_;  // every value is a piece of it
};

}  // namespace minos
