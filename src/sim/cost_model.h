#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/units.h"

namespace minos {

// What work costs a virtual core, in nanoseconds. Data: a profile is a row of profiles(), and
// whoever fits costs to a real machine fills in another one. Finite, none negative.
struct CostModel {
  std::string name;

  // The ideal server: a request takes fixed_ns + packet_ns per packet of 1472 bytes of value that
  // it takes, and nothing else costs anything. Where `ideal` is set what follows is not looked at.
  bool ideal = false;
  double fixed_ns = 0;
  double packet_ns = 0;
  bool exponential = false;  // such a request takes a random time, with that as its mean

  double step_ns = 0;           // a round of a core's loop
  double empty_poll_ns = 0;     // of an RX queue in which there was nothing
  double receive_ns = 0;        // a packet, all of a request
  double large_receive_ns = 0;  // of a request of many
  double parse_ns = 0;          // a request, or a fragment of one
  double look_up_ns = 0;        // of a key
  double reply_ns = 0;          // one packet, all of the reply
  double large_packet_ns = 0;   // of a reply of many
  double copy_byte_ns = 0;      // of a value, from the packet to the store or the other way
  double write_ns = 0;          // to store a value, besides the copy
  double ring_out_ns = 0;       // to hand something to another core
  double ring_in_ns = 0;        // to take it
  double steal_ns = 0;          // to take a packet from a queue of another core
  double cache_line_ns = 0;     // to get a line that another core has written

  friend bool operator==(const CostModel&, const CostModel&) = default;
};

// `ideal` (0.6 us and 0.4 us per packet unless changed), `dpdk`, `udp` or `tcp`. Error: a sentence
// that names the allowed ones.
std::expected<CostModel, std::string> cost_model_named(std::string_view name);

}  // namespace minos
