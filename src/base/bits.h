#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

namespace minos {

// Of bits numbered through `words`: the first index >= from whose bit is set (or clear), or `end`.
inline std::uint32_t find_bit(const std::uint64_t* words, bool set, std::uint32_t from,
                              std::uint32_t end) {
  while (from < end) {
    const std::uint64_t word = (set ? words[from / 64] : ~words[from / 64]) >> (from % 64);
    if (word != 0) {
      return std::min(end, from + static_cast<std::uint32_t>(std::countr_zero(word)));
    }
    from = (from / 64 + 1) * 64;
  }
  return end;
}

}  // namespace minos
