#include "sim/cost_model.h"

#include <fmt/format.h>

#include <array>

namespace minos {

namespace {

// dpdk and tcp: from `minos calibrate --on=dpdk` and `--on=tcp`, on two virtual cores
// (docs/results/calibration.md). tcp: nothing is polled in vain or stolen. udp: first estimates.
std::array<CostModel, 4> profiles() {
  return {CostModel{.name = "ideal", .ideal = true, .fixed_ns = 600, .packet_ns = 400},
          CostModel{.name = "dpdk",
                    .step_ns = 342,
                    .empty_poll_ns = 26,
                    .receive_ns = 85,
                    .large_receive_ns = 309,
                    .parse_ns = 73,
                    .look_up_ns = 146,
                    .reply_ns = 91,
                    .large_packet_ns = 152,
                    .copy_byte_ns = 0.21,
                    .write_ns = 226,
                    .ring_out_ns = 135,
                    .ring_in_ns = 271,
                    .steal_ns = 127,
                    .cache_line_ns = 135},
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
                    .step_ns = 1710,
                    .empty_poll_ns = 30,
                    .receive_ns = 2562,
                    .large_receive_ns = 101,
                    .parse_ns = 231,
                    .look_up_ns = 231,
                    .reply_ns = 2732,
                    .large_packet_ns = 368,
                    .copy_byte_ns = 0,
                    .write_ns = 387,
                    .ring_out_ns = 3182,
                    .ring_in_ns = 3182,
                    .steal_ns = 1000,
                    .cache_line_ns = 111}};
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
