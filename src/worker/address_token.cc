#include "worker/address_token.h"

#include <sodium/crypto_shorthash.h>
#include <sodium/randombytes.h>

#include <cstring>

namespace minos {

namespace {

static_assert(crypto_shorthash_KEYBYTES == sizeof(AddressTokens::Secret));
static_assert(crypto_shorthash_BYTES == sizeof(std::uint64_t));

}  // namespace

AddressTokens::Secret AddressTokens::random_secret() {
  Secret secret;
  randombytes_buf(secret.data(), secret.size());
  return secret;
}

bool AddressTokens::valid(const Peer& peer, std::uint64_t token, Nanos now) const {
  return token == hash(peer, hour_of(now)) || was_valid(peer, token, now);
}

bool AddressTokens::was_valid(const Peer& peer, std::uint64_t token, Nanos now) const {
  const std::uint64_t hour = hour_of(now);
  return hour != 0 && token == hash(peer, hour - 1);
}

// SipHash-2-4 (Aumasson and Bernstein, 2012).
std::uint64_t AddressTokens::hash(const Peer& peer, std::uint64_t hour) const {
  unsigned char input[sizeof peer.address + sizeof peer.port + sizeof peer.scope + sizeof hour];
  unsigned char* at = input;
  const auto put = [&](const void* from, std::size_t bytes) {
    std::memcpy(at, from, bytes);
    at += bytes;
  };
  put(peer.address.data(), sizeof peer.address);
  put(&peer.port, sizeof peer.port);
  put(&peer.scope, sizeof peer.scope);
  put(&hour, sizeof hour);
  std::uint64_t token = 0;
  crypto_shorthash(reinterpret_cast<unsigned char*>(&token), input, sizeof input, secret_.data());
  return token == 0 ? 1 : token;
}

bool TokenCache::check(const Peer& peer, std::uint64_t token, Nanos now, std::uint64_t& current) {
  std::uint32_t tail = 0;
  std::memcpy(&tail, peer.address.data() + 12, sizeof tail);
  const std::uint32_t mixed = (tail ^ peer.port * 0x9e3779b1U) * 0x85ebca6bU;
  Entry& entry = entries_[mixed >> 22];
  static_assert(kEntries == 1U << 10);
  const std::uint64_t hour = AddressTokens::hour_of(now);
  if (entry.token == 0 || entry.hour != hour || entry.port != peer.port ||
      entry.scope != peer.scope || entry.address != peer.address) [[unlikely]] {
    entry = {peer.address, peer.scope, peer.port, hour, tokens_.token(peer, now)};
  }
  current = entry.token;
  return token == entry.token || (token != 0 && tokens_.was_valid(peer, token, now));
}

}  // namespace minos
