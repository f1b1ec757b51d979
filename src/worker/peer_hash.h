#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/hash.h"
#include "wire/packet.h"

namespace minos {

// Of a client, as Peer::same_client tells them apart, and of a number of its own.
inline std::size_t hash_of_client(const Peer& peer, std::uint32_t number) {
  char bytes[sizeof peer.address + sizeof peer.port + sizeof number];
  char* at = bytes;
  std::memcpy(at, peer.address.data(), sizeof peer.address);
  at += sizeof peer.address;
  std::memcpy(at, &peer.port, sizeof peer.port);
  at += sizeof peer.port;
  std::memcpy(at, &number, sizeof number);
  return hash_key({bytes, sizeof bytes});
}

}  // namespace minos
