#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/prng.h"
#include "sim/cost_model.h"
#include "sim/request_table.h"
#include "sim/sim_time.h"
#include "sim/simulation.h"

namespace minos {

// A virtual core's clock, and what it spent its time on.
struct CoreClock {
  Picos now = 0;
  std::array<Picos, kSimActivities> spent{};

  void spend(SimActivity activity, Picos time) {
    now += time;
    spent[static_cast<std::size_t>(activity)] += time;
  }
};

// A cost model, ready to be charged. Each call says what a core did, at that moment; the core's
// clock goes on accordingly. Pure but for the draws of exponential service times.
class CostBook {
 public:
  CostBook(const CostModel& model, std::uint64_t seed);

  // What a request costs a core alone: exactly, or on average where times are random.
  Picos mean_service(std::uint32_t value_bytes, bool set) const;
  // Of one request.
  Picos draw_service(std::uint32_t value_bytes, bool set);

  Picos step() const { return step_; }
  Picos empty_poll() const { return empty_poll_; }

  // Of the request, which may be over, by `fragments` packets; see request_table.h.
  void receive(CoreClock& clock, const SimRequest* request) const {
    const bool many = request != nullptr && request->fragments > 1;
    clock.spend(SimActivity::kReceive, many ? large_receive_ : receive_);
  }
  // It parses a request of one packet and looks up the key, unless it has.
  void look_up(CoreClock& clock, SimRequest& request) const;
  // It deals with a fragment: passed on, it is read and no more.
  void fragment(CoreClock& clock, SimRequest& request, bool passed_on) const;
  // It writes the reply, if that is one packet.
  void reply(CoreClock& clock, SimRequest& request, bool fine) const;
  // A fragment of the reply, which brings it to `end` of the value.
  void reply_fragment(CoreClock& clock, SimRequest& request, std::uint32_t payload_bytes,
                      std::uint32_t end) const;
  void ring_out(CoreClock& clock) const { clock.spend(SimActivity::kHandOff, ring_out_); }
  void ring_in(CoreClock& clock) const { clock.spend(SimActivity::kHandOff, ring_in_); }
  void steal(CoreClock& clock, std::uint32_t packets) const {
    clock.spend(SimActivity::kSteal, steal_ * packets);
  }
  // Another core was the last to receive from this queue, or to write this line.
  void cache_lines(CoreClock& clock, SimActivity activity, int lines) const {
    clock.spend(activity, cache_line_ * lines);
  }

 private:
  Picos copy(std::uint64_t bytes) const { return copy_byte_ * static_cast<Picos>(bytes) / 1000; }
  void ideal_up_to(CoreClock& clock, SimRequest& request, Picos target) const;

  bool ideal_;
  bool exponential_;
  Picos fixed_;
  Picos packet_;
  Picos step_;
  Picos empty_poll_;
  Picos receive_;
  Picos large_receive_;
  Picos parse_;
  Picos look_up_;
  Picos reply_;
  Picos large_packet_;
  Picos copy_byte_;  // in thousandths
  Picos write_;
  Picos ring_out_;
  Picos ring_in_;
  Picos steal_;
  Picos cache_line_;
  Prng prng_;
};

// What a fragment of a SET carries of its value: what fits into a datagram. In the ideal profile
// there are no packets, and few fragments, which come at once: the rings between cores would be too
// short for hundreds of them. Two at least, as by several is how a large SET comes.
inline constexpr std::uint32_t kSetFragmentBytes = 1420;
inline constexpr std::uint32_t kIdealFragmentBytes = 60'000;
constexpr std::uint32_t set_fragment_bytes(bool ideal, std::uint32_t value_bytes) {
  if (!ideal || value_bytes <= kSetFragmentBytes) return kSetFragmentBytes;
  return std::min((value_bytes + 1) / 2, kIdealFragmentBytes);
}
constexpr std::uint32_t fragments(std::uint32_t value_bytes, std::uint32_t each) {
  return value_bytes == 0 ? 1 : (value_bytes - 1) / each + 1;
}
constexpr std::uint32_t set_fragments(bool ideal, std::uint32_t value_bytes) {
  return fragments(value_bytes, set_fragment_bytes(ideal, value_bytes));
}

inline SimActivity serving(const SimRequest& request) {
  return request.large ? SimActivity::kServeLarge : SimActivity::kServeSmall;
}

}  // namespace minos
