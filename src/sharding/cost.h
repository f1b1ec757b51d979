#pragma once

#include <cstdint>

namespace minos {

// What the cost of a request is counted in. PAPER: network packets.
enum class CostUnit : std::uint8_t { kPackets, kBytes };

// Payload of a full datagram on a link with an MTU of 1500: without the IPv4 and UDP headers (28
// bytes).
inline constexpr std::uint64_t kPacketPayloadBytes = 1472;

// Cost of a request that carries or returns `value_bytes`; never 0, since an empty value also takes
// a packet. Pure, any thread.
std::uint64_t request_cost(CostUnit unit, std::uint64_t value_bytes);

}  // namespace minos
