#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "transport/frame/frame.h"

// Frames once more, written and read byte by byte as the RFCs draw them, to test against.
namespace minos {

// The sum of RFC 1071 over big-endian words, not complemented.
std::uint32_t reference_sum(std::string_view bytes);

struct FrameSpec {
  MacAddress to{};
  MacAddress from{};
  std::uint16_t ether_type = 0x0800;
  std::string ip_options{};  // a multiple of 4 bytes
  std::uint16_t fragment = 0x4000;
  std::uint8_t protocol = 17;
  Ipv4Address source{};
  Ipv4Address destination{};
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  bool udp_checksum = true;
  std::string payload{};
  std::string padding{};  // behind the IPv4 packet
};

// A frame with right lengths and checksums. For other protocols than UDP the payload is all that
// follows the IPv4 header.
std::string build(const FrameSpec& spec);

// What parse_frame() must return; only the reason's presence is told, not which one it is.
struct ReferenceView {
  Peer peer;
  std::string_view payload;
};
std::optional<ReferenceView> reference_parse(std::string_view frame, const FrameSelf& self);

}  // namespace minos
