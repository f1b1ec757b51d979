#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "wire/packet.h"

// Ethernet, IPv4 and UDP, as far as a plane needs them that sees whole frames. Pure: any bytes are
// fine, and every length is checked before it is used. Without headers of any data plane.
namespace minos {

using MacAddress = std::array<std::uint8_t, 6>;
using Ipv4Address = std::array<std::uint8_t, 4>;

inline constexpr std::size_t kEthernetBytes = 14;
inline constexpr std::size_t kIpv4Bytes = 20;
inline constexpr std::size_t kUdpBytes = 8;
// What comes before the payload in a frame that we send.
inline constexpr std::size_t kFrameFrontBytes = kEthernetBytes + kIpv4Bytes + kUdpBytes;
inline constexpr std::size_t kMtuBytes = kIpv4Bytes + kUdpBytes + kDatagramBytesMax;
inline constexpr std::size_t kFrameBytesMax = kEthernetBytes + kMtuBytes;
inline constexpr std::size_t kArpFrameBytes = 42;
static_assert(kMtuBytes == 1500);

// Whose frames are taken: UDP ports base_port .. base_port + ports - 1 of one address.
struct FrameSelf {
  MacAddress mac{};
  Ipv4Address address{};
  std::uint16_t base_port = 0;
  std::uint16_t ports = 0;
};

// Why a frame is dropped.
enum class FrameDrop : std::uint8_t {
  kNotIpv4,       // also a frame with a VLAN tag
  kFragment,      // nobody reassembles here
  kBadChecksum,   // of the IPv4 header or of UDP
  kBadLength,     // cut off, or lengths that contradict each other
  kNotOurs,       // other MAC address, address, protocol or port
  kUnanswerable,  // from a source that no reply can go to
};
inline constexpr std::size_t kFrameDrops = 6;
std::string_view name(FrameDrop drop);
// "dropped_bad_checksum"
std::string_view counter_name(FrameDrop drop);

// What the device found right, or vouches for, so that it is not computed again.
struct VerifiedChecksums {
  bool ipv4 = false;
  bool udp = false;
  // A UDP checksum may also be that of the pseudo header alone: so it looks before the sender's
  // device completes it, which a virtual device on this machine never does.
  bool udp_may_be_partial = false;
};

// A datagram for us, all of it still in the frame.
struct UdpView {
  const char* link = nullptr;     // the source's MAC address
  const char* address = nullptr;  // and IPv4 address
  std::uint16_t port = 0;         // and UDP port
  QueueId queue;                  // the destination port, counted from base_port
  std::string_view payload;

  // Sets all but the plane. Into where it is to lie: a Peer that is copied right after it was put
  // together costs more than all checks of a frame.
  void set(Peer& peer) const;
};

// Padding behind the IPv4 packet is passed over, IPv4 options too. UDP checksum 0 says that there
// is none.
std::expected<UdpView, FrameDrop> parse_frame(std::string_view frame, const FrameSelf& self,
                                              VerifiedChecksums verified);

// Turns an ARP request for our address, or an ICMP echo request to it, into the answer, in place;
// `bytes` is the length of the frame. Returns the length of the answer, which is not longer; 0 when
// there is nothing to answer, and then the frame is as it was.
std::size_t answer_frame(char* frame, std::size_t bytes, const FrameSelf& self);

// An ARP request of kArpFrameBytes at `to`; what a frame answers to it, if it does.
void write_arp_request(char* to, const FrameSelf& self, const Ipv4Address& wanted);
std::optional<MacAddress> parse_arp_reply(std::string_view frame, const FrameSelf& self,
                                          const Ipv4Address& wanted);

// A MAC address that nobody sells, for devices that have none of their own.
MacAddress local_mac(const Ipv4Address& address);

// An IPv4 address in the form that Peer has.
inline constexpr std::array<std::uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0,    0,
                                                               0, 0, 0, 0, 0xff, 0xff};
std::array<std::uint8_t, 16> mapped(const Ipv4Address& address);
inline bool is_ipv4(const Peer& peer) {
  return std::memcmp(peer.address.data(), kMappedPrefix.data(), kMappedPrefix.size()) == 0;
}

inline void UdpView::set(Peer& peer) const {
  std::memcpy(peer.address.data(), kMappedPrefix.data(), kMappedPrefix.size());
  std::memcpy(peer.address.data() + kMappedPrefix.size(), address, sizeof(Ipv4Address));
  peer.port = port;
  peer.queue = queue;
  peer.scope = 0;
  std::memcpy(peer.link.data(), link, sizeof(MacAddress));
}

// Copies `front`, then `parts`, to `to`: kDatagramBytesMax in all, and kDatagramPartsMax parts, at
// most. Returns their bytes.
std::size_t write_payload(char* to, std::string_view front, std::span<const iovec> parts);

// Writes what comes before the payload of datagrams from one address. Any thread.
class FrameWriter {
 public:
  FrameWriter(const MacAddress& mac, const Ipv4Address& address);

  // kFrameFrontBytes at `to`, for a peer that is_ipv4() and a payload of at most kDatagramBytesMax.
  // The UDP checksum is 0, none: what guards the payload is that of the link.
  void write(char* to, const Peer& peer, std::uint16_t source_port,
             std::size_t payload_bytes) const;

 private:
  std::array<char, kFrameFrontBytes> front_{};
  std::uint32_t constant_sum_ = 0;  // of the IPv4 header's fields that are the same in all frames
};

}  // namespace minos
