#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace minos {

// Numbers for this machine's addresses that datagrams were sent to, so that a Peer needs one byte
// for its own. Any thread.
class UdpLocals {
 public:
  using Address = std::array<std::uint8_t, 16>;  // as Peer::address
  static constexpr std::size_t kAddressesMax = 255;

  // From 1 on; 0 when the table has no room.
  std::uint8_t number_of(const Address& address) {
    if (const std::uint8_t number = find(address); number != 0) return number;
    const std::lock_guard lock(adding_);
    if (const std::uint8_t number = find(address); number != 0) return number;
    const std::size_t count = count_.load(std::memory_order_relaxed);
    if (count == kAddressesMax) return 0;
    addresses_[count] = address;
    // Release: pairs with the acquire in find(); whoever sees the count sees the address.
    count_.store(count + 1, std::memory_order_release);
    return static_cast<std::uint8_t>(count + 1);
  }

  // `number` came from number_of(), by a way that orders memory.
  const Address& address_of(std::uint8_t number) const { return addresses_[number - 1u]; }

 private:
  // 0: not there.
  std::uint8_t find(const Address& address) const {
    // Acquire: pairs with the release in number_of().
    const std::size_t count = count_.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < count; ++i) {
      if (addresses_[i] == address) return static_cast<std::uint8_t>(i + 1);
    }
    return 0;
  }

  std::array<Address, kAddressesMax> addresses_{};
  std::atomic<std::size_t> count_{0};
  std::mutex adding_;
};

}  // namespace minos
