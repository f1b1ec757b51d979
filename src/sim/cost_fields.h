#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "sim/cost_model.h"

namespace minos {

// The costs of a profile that is fitted to a machine, by their names in files and reports.
struct CostField {
  std::string_view name;
  double CostModel::* cost;
  std::string_view what;
};

inline constexpr std::array kCostFields = {
    CostField{"step_ns", &CostModel::step_ns, "a round of a core's loop"},
    CostField{"empty_poll_ns", &CostModel::empty_poll_ns, "an RX queue looked into in vain"},
    CostField{"receive_ns", &CostModel::receive_ns, "a packet, all of a request"},
    CostField{"large_receive_ns", &CostModel::large_receive_ns, "a packet of a request of many"},
    CostField{"parse_ns", &CostModel::parse_ns, "a request, or a fragment of one"},
    CostField{"look_up_ns", &CostModel::look_up_ns, "a key"},
    CostField{"reply_ns", &CostModel::reply_ns, "a packet, all of a reply"},
    CostField{"large_packet_ns", &CostModel::large_packet_ns, "a packet of a reply of many"},
    CostField{"copy_byte_ns", &CostModel::copy_byte_ns, "a byte of a value, copied"},
    CostField{"write_ns", &CostModel::write_ns, "a value stored, besides the copy"},
    CostField{"ring_out_ns", &CostModel::ring_out_ns, "handed to another core"},
    CostField{"ring_in_ns", &CostModel::ring_in_ns, "taken from another core"},
    CostField{"steal_ns", &CostModel::steal_ns, "a packet from a queue of another core"},
    CostField{"cache_line_ns", &CostModel::cache_line_ns, "a line that another core has written"},
};
inline constexpr std::size_t kCostFieldCount = kCostFields.size();

// Of kCostFields.
constexpr std::size_t index_of(double CostModel::* cost) {
  std::size_t at = 0;
  while (kCostFields[at].cost != cost) ++at;
  return at;
}

}  // namespace minos
