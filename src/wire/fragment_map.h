#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace minos {

// Which fragments of one value have arrived, in whatever order and how often: for whoever puts a
// value together, at either end. A value of kItemBytesMax in the smallest fragments takes 512 KiB.
class FragmentMap {
 public:
  struct Range {
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };

  // A value that is one fragment has fragment_bytes of any size, also 0.
  FragmentMap(std::uint32_t value_bytes, std::uint16_t fragment_bytes);

  // `offset` as parse_request() and parse_reply() let it through. False when it was there already.
  bool add(std::uint32_t offset);
  bool complete() const { return missing_ == 0; }
  std::uint32_t missing_fragments() const { return missing_; }

  // The first gaps, as many as fit; neighbouring fragments are one gap. Returns entries used.
  std::size_t gaps(std::span<Range> out) const;

 private:
  bool has(std::uint32_t fragment) const {
    return (words_[fragment / 64] >> (fragment % 64) & 1) != 0;
  }

  std::uint32_t value_bytes_;
  std::uint32_t fragment_bytes_;
  std::uint32_t fragments_;
  std::uint32_t missing_;
  std::vector<std::uint64_t> words_;
};

}  // namespace minos
