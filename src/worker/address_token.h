#pragma once

#include <array>
#include <cstdint>

#include "base/units.h"
#include "wire/packet.h"

namespace minos {

// Tokens that prove that a client receives what is sent to its address and port: a keyed hash of
// both and of the hour, so that nothing is remembered for anybody. Immutable; any thread.
class AddressTokens {
 public:
  using Secret = std::array<unsigned char, 16>;

  explicit AddressTokens(const Secret& secret) : secret_(secret) {}
  static Secret random_secret();

  // Never 0, which is what a client says that has none.
  std::uint64_t token(const Peer& peer, Nanos now) const { return hash(peer, hour_of(now)); }
  // The token of this hour or of the one before.
  bool valid(const Peer& peer, std::uint64_t token, Nanos now) const;
  // That of the one before.
  bool was_valid(const Peer& peer, std::uint64_t token, Nanos now) const;

  static std::uint64_t hour_of(Nanos now) {
    return static_cast<std::uint64_t>(std::chrono::floor<std::chrono::hours>(now).count());
  }

 private:
  std::uint64_t hash(const Peer& peer, std::uint64_t hour) const;

  Secret secret_;
};

// The clients that one worker heard of last, so that a hash is computed once for many requests.
// One owner.
class TokenCache {
 public:
  explicit TokenCache(const AddressTokens& tokens) : tokens_(tokens) {}

  // Is the address proven by `token`? `current` is then what replies should carry, and without it
  // what the client is to try again with.
  bool check(const Peer& peer, std::uint64_t token, Nanos now, std::uint64_t& current);

 private:
  struct Entry {
    std::array<std::uint8_t, 16> address{};
    std::uint32_t scope = 0;
    std::uint16_t port = 0;
    std::uint64_t hour = 0;
    std::uint64_t token = 0;
  };
  static constexpr std::size_t kEntries = 1024;

  const AddressTokens& tokens_;
  std::array<Entry, kEntries> entries_{};
};

}  // namespace minos
