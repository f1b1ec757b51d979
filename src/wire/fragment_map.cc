#include "wire/fragment_map.h"

#include <algorithm>

#include "base/bits.h"
#include "base/check.h"

namespace minos {

FragmentMap::FragmentMap(std::uint32_t value_bytes, std::uint16_t fragment_bytes)
    : value_bytes_(value_bytes),
      fragment_bytes_(fragment_bytes == 0 ? std::max(value_bytes, 1U) : fragment_bytes),
      fragments_(
          std::max(value_bytes / fragment_bytes_ + (value_bytes % fragment_bytes_ != 0), 1U)),
      missing_(fragments_),
      words_((fragments_ + 63) / 64) {}

bool FragmentMap::add(std::uint32_t offset) {
  const std::uint32_t fragment = offset / fragment_bytes_;
  CHECK(fragment < fragments_);
  if (has(fragment)) return false;
  words_[fragment / 64] |= std::uint64_t{1} << (fragment % 64);
  --missing_;
  return true;
}

std::size_t FragmentMap::gaps(std::span<Range> out) const {
  std::size_t used = 0;
  std::uint32_t first = find_bit(words_.data(), false, 0, fragments_);
  while (first < fragments_ && used < out.size()) {
    const std::uint32_t end = find_bit(words_.data(), true, first, fragments_);
    const std::uint32_t offset = first * fragment_bytes_;
    const std::uint32_t end_offset = end == fragments_ ? value_bytes_ : end * fragment_bytes_;
    out[used++] = {offset, end_offset - offset};
    first = find_bit(words_.data(), false, end, fragments_);
  }
  return used;
}

}  // namespace minos
