#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

#include "wire/packet.h"

namespace minos {

// A socket address, as short as the UDP plane can have it.
union UdpAddress {
  sockaddr any;
  sockaddr_in v4;
  sockaddr_in6 v6;
};

inline constexpr std::array<std::uint8_t, 12> kMappedIpv4Prefix{0, 0, 0, 0, 0,   0,
                                                                0, 0, 0, 0, 255, 255};

inline socklen_t address_bytes(bool ipv6) {
  return ipv6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

inline Peer peer_of(const UdpAddress& from, bool ipv6) {
  Peer peer;
  if (ipv6) {
    std::memcpy(peer.address.data(), &from.v6.sin6_addr, peer.address.size());
    peer.port = ntohs(from.v6.sin6_port);
    peer.scope = from.v6.sin6_scope_id;
  } else {
    std::memcpy(peer.address.data(), kMappedIpv4Prefix.data(), kMappedIpv4Prefix.size());
    std::memcpy(&peer.address[kMappedIpv4Prefix.size()], &from.v4.sin_addr, 4);
    peer.port = ntohs(from.v4.sin_port);
  }
  return peer;
}

inline void set_address(UdpAddress& to, const Peer& peer, bool ipv6) {
  if (ipv6) {
    to.v6 = {};
    to.v6.sin6_family = AF_INET6;
    to.v6.sin6_port = htons(peer.port);
    to.v6.sin6_scope_id = peer.scope;
    std::memcpy(&to.v6.sin6_addr, peer.address.data(), peer.address.size());
  } else {
    to.v4 = {};
    to.v4.sin_family = AF_INET;
    to.v4.sin_port = htons(peer.port);
    std::memcpy(&to.v4.sin_addr, &peer.address[kMappedIpv4Prefix.size()], 4);
  }
}

}  // namespace minos
