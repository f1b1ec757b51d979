#include "transport/frame/frame.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "base/check.h"

namespace minos {
namespace {

constexpr std::uint16_t kEtherTypeIpv4 = 0x0800;
constexpr std::uint16_t kEtherTypeArp = 0x0806;
constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kProtocolUdp = 17;
constexpr std::uint16_t kMoreFragmentsAndOffset = 0x3fff;
constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint8_t kTimeToLive = 64;
constexpr std::size_t kIcmpBytes = 8;
constexpr std::uint8_t kIcmpEchoReply = 0;
constexpr std::uint8_t kIcmpEchoRequest = 8;
constexpr std::uint16_t kArpRequest = 1;
constexpr std::uint16_t kArpReply = 2;
constexpr MacAddress kBroadcast = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// Offsets from the start of the frame.
constexpr std::size_t kEtherSource = 6;
constexpr std::size_t kEtherType = 12;
constexpr std::size_t kIp = kEthernetBytes;
constexpr std::size_t kIpTotal = kIp + 2;
constexpr std::size_t kIpFragment = kIp + 6;
constexpr std::size_t kIpTtl = kIp + 8;
constexpr std::size_t kIpProtocol = kIp + 9;
constexpr std::size_t kIpChecksum = kIp + 10;
constexpr std::size_t kIpSource = kIp + 12;
constexpr std::size_t kIpDestination = kIp + 16;
constexpr std::size_t kUdpChecksum = 6;  // from the start of UDP
constexpr std::size_t kArpOperation = kEthernetBytes + 6;
constexpr std::size_t kArpSenderMac = kEthernetBytes + 8;
constexpr std::size_t kArpSenderAddress = kEthernetBytes + 14;
constexpr std::size_t kArpTargetMac = kEthernetBytes + 18;
constexpr std::size_t kArpTargetAddress = kEthernetBytes + 24;

// Ethernet over IPv4: hardware 1, protocol 0x0800, addresses of 6 and 4 bytes.
constexpr std::array<char, 6> kArpKind = {0, 1, 8, 0, 6, 4};

std::uint8_t byte_at(const char* at) {
  return static_cast<std::uint8_t>(*at);
}

std::uint16_t load_be16(const char* at) {
  return static_cast<std::uint16_t>((byte_at(at) << 8) | byte_at(at + 1));
}

void store_be16(char* at, std::size_t value) {
  at[0] = static_cast<char>(value >> 8);
  at[1] = static_cast<char>(value);
}

template <typename Bytes>
bool same(const char* at, const Bytes& bytes) {
  return std::memcmp(at, bytes.data(), bytes.size()) == 0;
}

template <typename Bytes>
void put(char* at, const Bytes& bytes) {
  std::memcpy(at, bytes.data(), bytes.size());
}

// The Internet checksum adds words of 16 bits in any byte order, so these are the machine's; and as
// 2^16 is 1 modulo 2^16 - 1, words of 32 bits may be added instead.
std::uint64_t sum_of(std::string_view bytes, std::uint64_t sum = 0) {
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 4; left -= 4, at += 4) {
    std::uint32_t word;
    std::memcpy(&word, at, sizeof word);
    sum += word;
  }
  // A length that is not known would be a call of memcpy.
  if (left >= 2) {
    std::uint16_t word;
    std::memcpy(&word, at, sizeof word);
    sum += word;
    at += 2;
  }
  if (left % 2 != 0) {
    std::uint16_t word = 0;
    std::memcpy(&word, at, 1);
    sum += word;
  }
  return sum;
}

// What is left when the sum of a right header, its checksum included, is folded: 0xffff.
std::uint16_t folded(std::uint64_t sum) {
  sum = (sum >> 32) + (sum & 0xffffffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  sum = (sum >> 16) + (sum & 0xffff);
  return static_cast<std::uint16_t>(sum);
}

void store_checksum(char* at, std::uint64_t sum) {
  const auto checksum = static_cast<std::uint16_t>(~folded(sum));
  std::memcpy(at, &checksum, sizeof checksum);
}

// As a 16-bit number in network order is seen by sum_of().
std::uint64_t word_of(std::uint16_t value) {
  return std::endian::native == std::endian::little ? std::byteswap(value) : value;
}

bool right_udp_checksum(std::string_view udp, const char* addresses, bool may_be_partial) {
  std::uint64_t sum = sum_of({addresses, 8});
  sum += word_of(kProtocolUdp) + word_of(static_cast<std::uint16_t>(udp.size()));
  if (may_be_partial) {
    const std::uint16_t partial = folded(sum);
    if (std::memcmp(udp.data() + kUdpChecksum, &partial, sizeof partial) == 0) return true;
  }
  return folded(sum_of(udp, sum)) == 0xffff;
}

// A reply to such an address would go to many, to nobody, or to ourselves.
bool answerable(const char* frame, const FrameSelf& self) {
  const std::uint8_t first = byte_at(frame + kIpSource);
  const bool group = (byte_at(frame + kEtherSource) & 1) != 0;
  return !group && first != 0 && first != 127 && first < 224 &&
         !same(frame + kIpSource, self.address);
}

struct Ipv4View {
  std::size_t header_bytes = 0;
  std::size_t total_bytes = 0;
};

// An IPv4 packet to our address that is no fragment.
std::expected<Ipv4View, FrameDrop> parse_ipv4(std::string_view frame, const FrameSelf& self,
                                              bool verified) {
  if (frame.size() < kEthernetBytes) return std::unexpected(FrameDrop::kBadLength);
  const char* at = frame.data();
  if (load_be16(at + kEtherType) != kEtherTypeIpv4) return std::unexpected(FrameDrop::kNotIpv4);
  if (!same(at, self.mac)) return std::unexpected(FrameDrop::kNotOurs);
  if (frame.size() < kEthernetBytes + kIpv4Bytes) return std::unexpected(FrameDrop::kBadLength);
  if (byte_at(at + kIp) >> 4 != 4) return std::unexpected(FrameDrop::kNotIpv4);

  const Ipv4View view{.header_bytes = (byte_at(at + kIp) & 0xfu) * 4,
                      .total_bytes = load_be16(at + kIpTotal)};
  if (view.header_bytes < kIpv4Bytes || view.header_bytes > view.total_bytes ||
      view.total_bytes > frame.size() - kEthernetBytes || view.total_bytes > kMtuBytes) {
    return std::unexpected(FrameDrop::kBadLength);
  }
  if (!verified && folded(sum_of({at + kIp, view.header_bytes})) != 0xffff) {
    return std::unexpected(FrameDrop::kBadChecksum);
  }
  if (!same(at + kIpDestination, self.address)) return std::unexpected(FrameDrop::kNotOurs);
  if ((load_be16(at + kIpFragment) & kMoreFragmentsAndOffset) != 0) {
    return std::unexpected(FrameDrop::kFragment);
  }
  return view;
}

bool is_arp(std::string_view frame, std::uint16_t operation) {
  return frame.size() >= kArpFrameBytes && load_be16(frame.data() + kEtherType) == kEtherTypeArp &&
         same(frame.data() + kEthernetBytes, kArpKind) &&
         load_be16(frame.data() + kArpOperation) == operation;
}

void write_arp(char* to, std::uint16_t operation, const FrameSelf& self,
               const MacAddress& target_mac, const Ipv4Address& target) {
  put(to, operation == kArpRequest ? kBroadcast : target_mac);
  put(to + kEtherSource, self.mac);
  store_be16(to + kEtherType, kEtherTypeArp);
  put(to + kEthernetBytes, kArpKind);
  store_be16(to + kArpOperation, operation);
  put(to + kArpSenderMac, self.mac);
  put(to + kArpSenderAddress, self.address);
  put(to + kArpTargetMac, target_mac);
  put(to + kArpTargetAddress, target);
}

std::size_t answer_arp(char* frame, std::size_t bytes, const FrameSelf& self) {
  if (!is_arp({frame, bytes}, kArpRequest)) return 0;
  if (!same(frame, self.mac) && !same(frame, kBroadcast)) return 0;
  if (!same(frame + kArpTargetAddress, self.address)) return 0;
  if ((byte_at(frame + kArpSenderMac) & 1) != 0) return 0;
  MacAddress asking_mac;
  Ipv4Address asking;
  std::memcpy(asking_mac.data(), frame + kArpSenderMac, asking_mac.size());
  std::memcpy(asking.data(), frame + kArpSenderAddress, asking.size());
  write_arp(frame, kArpReply, self, asking_mac, asking);
  return kArpFrameBytes;
}

// IPv4 options are not answered: they may ask for a route.
std::size_t answer_echo(char* frame, std::size_t bytes, const FrameSelf& self) {
  const auto ip = parse_ipv4({frame, bytes}, self, false);
  if (!ip || ip->header_bytes != kIpv4Bytes || !answerable(frame, self)) return 0;
  if (byte_at(frame + kIpProtocol) != kProtocolIcmp) return 0;
  char* icmp = frame + kEthernetBytes + kIpv4Bytes;
  const std::size_t icmp_bytes = ip->total_bytes - kIpv4Bytes;
  if (icmp_bytes < kIcmpBytes) return 0;
  if (byte_at(icmp) != kIcmpEchoRequest || byte_at(icmp + 1) != 0) return 0;
  if (folded(sum_of({icmp, icmp_bytes})) != 0xffff) return 0;

  std::memcpy(frame, frame + kEtherSource, self.mac.size());
  put(frame + kEtherSource, self.mac);
  std::memcpy(frame + kIpDestination, frame + kIpSource, self.address.size());
  put(frame + kIpSource, self.address);
  frame[kIpTtl] = static_cast<char>(kTimeToLive);
  store_be16(frame + kIpChecksum, 0);
  store_checksum(frame + kIpChecksum, sum_of({frame + kIp, kIpv4Bytes}));
  icmp[0] = static_cast<char>(kIcmpEchoReply);
  store_be16(icmp + 2, 0);
  store_checksum(icmp + 2, sum_of({icmp, icmp_bytes}));
  return kEthernetBytes + ip->total_bytes;
}

}  // namespace

std::string_view name(FrameDrop drop) {
  switch (drop) {
    case FrameDrop::kNotIpv4:
      return "not_ipv4";
    case FrameDrop::kFragment:
      return "fragment";
    case FrameDrop::kBadChecksum:
      return "bad_checksum";
    case FrameDrop::kBadLength:
      return "bad_length";
    case FrameDrop::kNotOurs:
      return "not_ours";
    case FrameDrop::kUnanswerable:
      return "unanswerable";
  }
  return "unknown";
}

std::string_view counter_name(FrameDrop drop) {
  static const auto names = [] {
    std::array<std::string, kFrameDrops> all;
    for (std::size_t i = 0; i < all.size(); ++i) {
      all[i] = "dropped_" + std::string(name(static_cast<FrameDrop>(i)));
    }
    return all;
  }();
  return names[static_cast<std::size_t>(drop)];
}

std::expected<UdpView, FrameDrop> parse_frame(std::string_view frame, const FrameSelf& self,
                                              VerifiedChecksums verified) {
  const auto ip = parse_ipv4(frame, self, verified.ipv4);
  if (!ip) return std::unexpected(ip.error());
  const char* at = frame.data();
  if (byte_at(at + kIpProtocol) != kProtocolUdp) return std::unexpected(FrameDrop::kNotOurs);

  const char* udp = at + kEthernetBytes + ip->header_bytes;
  const std::size_t udp_bytes_max = ip->total_bytes - ip->header_bytes;
  if (udp_bytes_max < kUdpBytes) return std::unexpected(FrameDrop::kBadLength);
  const std::size_t udp_bytes = load_be16(udp + 4);
  if (udp_bytes < kUdpBytes || udp_bytes > udp_bytes_max) {
    return std::unexpected(FrameDrop::kBadLength);
  }
  // Wraps around for ports below the first.
  const auto queue = static_cast<std::uint16_t>(load_be16(udp + 2) - self.base_port);
  if (queue >= self.ports) return std::unexpected(FrameDrop::kNotOurs);
  const std::uint16_t source_port = load_be16(udp);
  if (source_port == 0 || !answerable(at, self)) {
    return std::unexpected(FrameDrop::kUnanswerable);
  }
  if (!verified.udp && load_be16(udp + kUdpChecksum) != 0 &&
      !right_udp_checksum({udp, udp_bytes}, at + kIpSource, verified.udp_may_be_partial)) {
    return std::unexpected(FrameDrop::kBadChecksum);
  }

  return UdpView{.link = at + kEtherSource,
                 .address = at + kIpSource,
                 .port = source_port,
                 .queue = QueueId{queue},
                 .payload = {udp + kUdpBytes, udp_bytes - kUdpBytes}};
}

std::size_t answer_frame(char* frame, std::size_t bytes, const FrameSelf& self) {
  const std::size_t arp = answer_arp(frame, bytes, self);
  return arp != 0 ? arp : answer_echo(frame, bytes, self);
}

void write_arp_request(char* to, const FrameSelf& self, const Ipv4Address& wanted) {
  write_arp(to, kArpRequest, self, MacAddress{}, wanted);
}

std::optional<MacAddress> parse_arp_reply(std::string_view frame, const FrameSelf& self,
                                          const Ipv4Address& wanted) {
  if (!is_arp(frame, kArpReply) || !same(frame.data(), self.mac)) return std::nullopt;
  if (!same(frame.data() + kArpSenderAddress, wanted)) return std::nullopt;
  MacAddress mac;
  std::memcpy(mac.data(), frame.data() + kArpSenderMac, mac.size());
  return mac;
}

MacAddress local_mac(const Ipv4Address& address) {
  return {0x02, 0, address[0], address[1], address[2], address[3]};
}

std::array<std::uint8_t, 16> mapped(const Ipv4Address& address) {
  std::array<std::uint8_t, 16> all;
  std::ranges::copy(kMappedPrefix, all.begin());
  std::copy(address.begin(), address.end(), all.begin() + 12);
  return all;
}

std::size_t write_payload(char* to, std::string_view front, std::span<const iovec> parts) {
  std::size_t bytes = front.size();
  for (const iovec& part : parts) bytes += part.iov_len;
  CHECK(bytes <= kDatagramBytesMax && parts.size() <= kDatagramPartsMax);
  std::memcpy(to, front.data(), front.size());
  to += front.size();
  for (const iovec& part : parts) {
    std::memcpy(to, part.iov_base, part.iov_len);
    to += part.iov_len;
  }
  return bytes;
}

FrameWriter::FrameWriter(const MacAddress& mac, const Ipv4Address& address) {
  char* to = front_.data();
  put(to + kEtherSource, mac);
  store_be16(to + kEtherType, kEtherTypeIpv4);
  to[kIp] = 0x45;
  // Never to be fragmented, so its identification may be 0 (RFC 6864).
  store_be16(to + kIpFragment, kDontFragment);
  to[kIpTtl] = static_cast<char>(kTimeToLive);
  to[kIpProtocol] = static_cast<char>(kProtocolUdp);
  put(to + kIpSource, address);
  const std::uint64_t sum = sum_of({to + kIp, kIpv4Bytes});
  constant_sum_ = folded(sum);
}

void FrameWriter::write(char* to, const Peer& peer, std::uint16_t source_port,
                        std::size_t payload_bytes) const {
  std::memcpy(to, front_.data(), front_.size());
  put(to, peer.link);
  const std::size_t udp_bytes = kUdpBytes + payload_bytes;
  store_be16(to + kIpTotal, kIpv4Bytes + udp_bytes);
  std::memcpy(to + kIpDestination, peer.address.data() + 12, 4);
  const auto total = static_cast<std::uint16_t>(kIpv4Bytes + udp_bytes);
  store_checksum(to + kIpChecksum,
                 sum_of({to + kIpDestination, 4}, constant_sum_ + word_of(total)));
  char* udp = to + kEthernetBytes + kIpv4Bytes;
  store_be16(udp, source_port);
  store_be16(udp + 2, peer.port);
  store_be16(udp + 4, udp_bytes);
}

}  // namespace minos
