#include "client/outbound_value.h"

#include <algorithm>
#include <cstring>

namespace minos {

OutboundValue::Fragment OutboundValue::fragment_at(std::uint32_t offset) const {
  return {.offset = offset,
          .bytes = std::min<std::uint32_t>(fragment_bytes_, value_bytes_ - offset)};
}

std::optional<OutboundValue::Fragment> OutboundValue::next() {
  if (probe_) {
    probe_ = false;
    Fragment last = fragment_at((sent_ - 1) / fragment_bytes_ * fragment_bytes_);
    last.marked = true;
    marks_[0] = {last.offset, sent_};
    marks_used_ = 1;
    stretch_left_ = 0;
    return last;
  }
  if (lost_next_ == lost_end_ && sent_ == value_bytes_) return std::nullopt;
  if (stretch_left_ == 0) {
    if (marks_used_ == kStretchesMax) return std::nullopt;
    stretch_left_ = stretch_bytes_;
  }
  Fragment out;
  if (lost_next_ < lost_end_) {
    Range& range = lost_[lost_next_];
    out = fragment_at(range.offset);
    range.offset += out.bytes;
    range.bytes -= std::min(range.bytes, out.bytes);
    if (range.bytes == 0) ++lost_next_;
  } else {
    out = fragment_at(sent_);
    sent_ += out.bytes;
  }
  stretch_left_ -= std::min(stretch_left_, out.bytes);
  if (lost_next_ == lost_end_ && sent_ == value_bytes_) stretch_left_ = 0;
  if (stretch_left_ == 0) {
    out.marked = true;
    marks_[marks_used_++] = {out.offset, sent_};
  }
  return out;
}

std::optional<std::size_t> OutboundValue::parse(std::string_view payload,
                                                std::array<Range, kRangesMax>& out) {
  if (payload.empty() || payload.size() % 8 != 0) return std::nullopt;
  const std::size_t ranges = std::min(payload.size() / 8, kRangesMax);
  for (std::size_t i = 0; i < ranges; ++i) {
    std::memcpy(&out[i].offset, payload.data() + 8 * i, 4);
    std::memcpy(&out[i].bytes, payload.data() + 8 * i + 4, 4);
    if (out[i].offset % fragment_bytes_ != 0 || out[i].offset >= value_bytes_ ||
        out[i].bytes == 0 || out[i].bytes > value_bytes_ - out[i].offset) {
      return std::nullopt;
    }
  }
  return ranges;
}

bool OutboundValue::missing(std::string_view payload) {
  std::array<Range, kRangesMax> ranges;
  const auto parsed = parse(payload, ranges);
  if (!parsed) return false;
  const std::size_t count = *parsed;
  std::uint32_t covered = 0;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < marks_used_; ++i) {
    const Mark mark = marks_[i];
    const bool is_missing =
        std::ranges::any_of(ranges.data(), ranges.data() + count, [&](const Range& range) {
          return mark.offset >= range.offset && mark.offset - range.offset < range.bytes;
        });
    if (is_missing) {
      marks_[kept++] = mark;
    } else {
      covered = std::max(covered, mark.covers);
    }
  }
  if (covered == 0) return false;
  marks_used_ = kept;
  lost_next_ = lost_end_ = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (ranges[i].offset >= covered) continue;
    lost_[lost_end_++] = {ranges[i].offset, std::min(ranges[i].bytes, covered - ranges[i].offset)};
  }
  stretch_bytes_ = lost_end_ == 0 ? std::min(stretch_bytes_ + kStretchBytesMin, kStretchBytesMax)
                                  : std::max(stretch_bytes_ / 2, kStretchBytesMin);
  return true;
}

void OutboundValue::probe() {
  if (sent_ == 0) return;
  probe_ = true;
  lost_next_ = lost_end_ = 0;
  marks_used_ = 0;
  stretch_left_ = 0;
}

}  // namespace minos
