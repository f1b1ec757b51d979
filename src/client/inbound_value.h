#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "wire/datagram.h"
#include "wire/fragment_map.h"

namespace minos {

// A value that arrives in fragments, in any order and more than once, and what of it to ask for.
// All fragments are of one version of the item: the one of the first that arrived.
class InboundValue {
 public:
  using Range = FragmentMap::Range;
  enum class Added : std::uint8_t {
    kOld,  // was here already
    kNew,
    kComplete,  // was the last that was missing
    kOther,     // is of another version: start over
  };

  // `first` is one fragment of several, as parse_reply() lets it through; it is not added yet.
  // `asked_bytes` is what the request asked for from offset 0 on, 0 for all.
  InboundValue(const Datagram& first, std::uint32_t asked_bytes);

  Added add(const Datagram& fragment);

  // The window to ask for now, if less than half of what has been asked for is still to come.
  std::optional<Range> next_window(std::uint32_t window_bytes);
  // What was asked for and is not here, as much as fits into `out` and `bytes_max`.
  std::size_t lost(std::span<Range> out, std::uint32_t bytes_max) const;

  std::uint32_t value_bytes() const { return value_bytes_; }
  std::uint16_t fragment_bytes() const { return fragment_bytes_; }
  std::uint32_t flags() const { return flags_; }
  std::uint64_t number() const { return number_; }  // cas of the item, snapshot of statistics
  std::string take() { return std::move(value_); }

 private:
  std::uint32_t rounded_end(std::uint64_t end) const;

  std::uint32_t value_bytes_;
  std::uint16_t fragment_bytes_;
  std::uint32_t flags_;
  std::uint64_t number_;
  std::uint32_t asked_end_;
  std::uint32_t here_ = 0;
  FragmentMap map_;
  std::string value_;
};

}  // namespace minos
