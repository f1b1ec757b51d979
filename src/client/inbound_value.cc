#include "client/inbound_value.h"

#include <algorithm>
#include <cstring>

namespace minos {

InboundValue::InboundValue(const Datagram& first, std::uint32_t asked_bytes)
    : value_bytes_(first.header.value_bytes),
      fragment_bytes_(first.header.fragment_bytes),
      flags_(first.flags),
      number_(first.number),
      asked_end_(asked_bytes == 0 ? value_bytes_ : rounded_end(asked_bytes)),
      map_(value_bytes_, fragment_bytes_) {
  // Every byte is written before the value is given away: none is worth clearing first.
  value_.resize_and_overwrite(value_bytes_, [](char*, std::size_t bytes) { return bytes; });
}

std::uint32_t InboundValue::rounded_end(std::uint64_t end) const {
  const std::uint64_t fragments = (end + fragment_bytes_ - 1) / fragment_bytes_;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(fragments * fragment_bytes_, value_bytes_));
}

InboundValue::Added InboundValue::add(const Datagram& fragment) {
  const DatagramHeader& header = fragment.header;
  if (fragment.number != number_ || fragment.flags != flags_ ||
      header.value_bytes != value_bytes_ || header.fragment_bytes != fragment_bytes_) {
    return Added::kOther;
  }
  if (!map_.add(header.offset)) return Added::kOld;
  std::memcpy(value_.data() + header.offset, fragment.payload.data(), fragment.payload.size());
  here_ += static_cast<std::uint32_t>(fragment.payload.size());
  return map_.complete() ? Added::kComplete : Added::kNew;
}

std::optional<InboundValue::Range> InboundValue::next_window(std::uint32_t window_bytes) {
  if (asked_end_ == value_bytes_ || window_bytes == 0) return std::nullopt;
  // More than was asked for may be here, as it was for others or in an earlier try.
  if (asked_end_ > here_ && asked_end_ - here_ > window_bytes / 2) return std::nullopt;
  const std::uint32_t from = asked_end_;
  asked_end_ = rounded_end(std::uint64_t{from} + window_bytes);
  return Range{from, asked_end_ - from};
}

std::size_t InboundValue::lost(std::span<Range> out, std::uint32_t bytes_max) const {
  const std::size_t gaps = map_.gaps(out);
  std::size_t used = 0;
  std::uint32_t left = bytes_max;
  while (used < gaps && out[used].offset < asked_end_ && left > 0) {
    Range& range = out[used++];
    range.bytes = std::min(range.bytes, asked_end_ - range.offset);
    // A range may as well end within a fragment: the server rounds it up.
    range.bytes = std::min(range.bytes, left);
    left -= range.bytes;
  }
  return used;
}

}  // namespace minos
