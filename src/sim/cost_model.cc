#include "sim/cost_model.h"

#include <fmt/format.h>

#include <array>

namespace minos {

namespace {

// dpdk: a small GET takes 0.33 us in full batches, of which an echo of the packet is 0.14 us; one
// packet of a large reply 0.25 us; a hop over a ring 0.1 us.
std::array<CostModel, 4> profiles() {
  return {CostModel{.name = "ideal", .ideal = true, .fixed_ns = 600, .packet_ns = 400},
          CostModel{.name = "dpdk",
                    .step_ns = 40,
                    .empty_poll_ns = 30,
                    .receive_ns = 70,
                    .large_receive_ns = 70,
                    .parse_ns = 60,
                    .look_up_ns = 120,
                    .reply_ns = 75,
                    .large_packet_ns = 236,
                    .copy_byte_ns = 0.01,
                    .write_ns = 60,
                    .ring_out_ns = 50,
                    .ring_in_ns = 50,
                    .steal_ns = 60,
                    .cache_line_ns = 60},
          CostModel{.name = "udp",
                    .step_ns = 1700,
                    .empty_poll_ns = 300,
                    .receive_ns = 900,
                    .large_receive_ns = 300,
                    .parse_ns = 73,
                    .look_up_ns = 146,
                    .reply_ns = 1300,
                    .large_packet_ns = 300,
                    .copy_byte_ns = 0.1,
                    .write_ns = 226,
                    .ring_out_ns = 135,
                    .ring_in_ns = 271,
                    .steal_ns = 300,
                    .cache_line_ns = 111},
          CostModel{.name = "tcp",
                    .step_ns = 300,
                    .empty_poll_ns = 30,
                    .receive_ns = 3000,
                    .large_receive_ns = 300,
                    .parse_ns = 150,
                    .look_up_ns = 150,
                    .reply_ns = 3200,
                    .large_packet_ns = 470,
                    .copy_byte_ns = 0.02,
                    .write_ns = 150,
                    .ring_out_ns = 100,
                    .ring_in_ns = 100,
                    .steal_ns = 1000,
                    .cache_line_ns = 60}};
}

}  // namespace

std::expected<CostModel, std::string> cost_model_named(std::string_view name) {
  std::string allowed;
  for (const CostModel& profile : profiles()) {
    if (profile.name == name) return profile;
    allowed += (allowed.empty() ? "" : ", ") + profile.name;
  }
  return std::unexpected(
      fmt::format("no cost profile is called '{}': use one of {}", name, allowed));
}

}  // namespace minos
