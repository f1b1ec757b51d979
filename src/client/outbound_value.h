#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "wire/fragment_map.h"

namespace minos {

// Which fragment of a large value to send next. Fragments go out in stretches of kStretchBytesMax,
// the last of each marked as a retry, which the server answers with what it misses so far. At most
// kStretchesMax stretches are without such an answer; what an answer shows to be lost goes first.
// Stretches become shorter when something was lost, for the server's buffer may be small, and
// longer again when nothing was.
//
// Whether something is lost or still on its way is told by the order of sending: a marked fragment
// that has arrived says that all that was sent before it should have, too.
class OutboundValue {
 public:
  static constexpr std::uint32_t kStretchBytesMax = 64 * 1024;
  static constexpr std::uint32_t kStretchBytesMin = 8 * 1024;
  static constexpr std::size_t kStretchesMax = 2;

  struct Fragment {
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    bool marked = false;
  };

  // value_bytes > fragment_bytes > 0.
  OutboundValue(std::uint32_t value_bytes, std::uint16_t fragment_bytes)
      : value_bytes_(value_bytes), fragment_bytes_(fragment_bytes) {}

  // nullopt: wait for an answer, or for probe().
  std::optional<Fragment> next();

  // The payload of an answer `missing`. False when it makes no sense, or says nothing new.
  bool missing(std::string_view payload);

  // No answer came: what is on its way counts as lost, and one marked fragment asks what is there.
  void probe();

  std::uint16_t fragment_bytes() const { return fragment_bytes_; }
  bool all_sent() const { return sent_ == value_bytes_; }

 private:
  using Range = FragmentMap::Range;
  struct Mark {
    std::uint32_t offset = 0;
    std::uint32_t covers = 0;  // fresh fragments below this were sent before it
  };
  // As many ranges as a datagram holds; what a longer list would say comes with a later answer.
  static constexpr std::size_t kRangesMax = 184;

  Fragment fragment_at(std::uint32_t offset) const;
  std::optional<std::size_t> parse(std::string_view payload, std::array<Range, kRangesMax>& out);

  std::uint32_t value_bytes_;
  std::uint16_t fragment_bytes_;
  std::uint32_t sent_ = 0;  // from here on nothing was ever sent
  std::uint32_t stretch_bytes_ = kStretchBytesMax;
  std::uint32_t stretch_left_ = 0;
  std::array<Mark, kStretchesMax> marks_{};
  std::size_t marks_used_ = 0;
  std::array<Range, kRangesMax> lost_{};  // to be sent again
  std::size_t lost_next_ = 0;
  std::size_t lost_end_ = 0;
  bool probe_ = false;
};

}  // namespace minos
