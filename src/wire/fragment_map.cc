#include "wire/fragment_map.h"

#include <algorithm>
#include <bit>

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

std::uint32_t FragmentMap::find(bool there, std::uint32_t from) const {
  while (from < fragments_) {
    const std::uint64_t word = (there ? words_[from / 64] : ~words_[from / 64]) >> (from % 64);
    if (word != 0) {
      return std::min(fragments_, from + static_cast<std::uint32_t>(std::countr_zero(word)));
    }
    from = (from / 64 + 1) * 64;
  }
  return fragments_;
}

std::size_t FragmentMap::gaps(std::span<Range> out) const {
  std::size_t used = 0;
  std::uint32_t first = find(false, 0);
  while (first < fragments_ && used < out.size()) {
    const std::uint32_t end = find(true, first);
    const std::uint32_t offset = first * fragment_bytes_;
    const std::uint32_t end_offset = end == fragments_ ? value_bytes_ : end * fragment_bytes_;
    out[used++] = {offset, end_offset - offset};
    first = find(false, end);
  }
  return used;
}

}  // namespace minos
