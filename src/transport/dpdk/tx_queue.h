#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/histogram.h"
#include "base/units.h"
#include "transport/dpdk/eth_port.h"

namespace minos {

struct TxCounters {
  SharedCounter sent;      // frames that the device took
  SharedCounter given_up;  // frames that it did not take for too long
};

// One TX queue of a device and the frames that wait for it. Used by one thread.
class TxQueue {
 public:
  // Frames that may wait for the device; the last kReserved of them are for room(kSmall).
  static constexpr std::uint32_t kPendingMax = 512;  // a power of two
  static constexpr std::uint32_t kReserved = 256;
  static constexpr std::uint32_t kSpareMax = kEthBurst;
  static constexpr std::uint32_t kBuffersUsed = kPendingMax + kSpareMax;
  // When no frame was taken for so long nobody is there: what waits is of no use to who comes next.
  static constexpr Nanos kPatience = std::chrono::seconds(1);

  enum class Kind : std::uint8_t { kSmall, kLarge };

  // `port` was opened with tx_buffers_used of at least kBuffersUsed. `counters` outlive this.
  TxQueue(EthPort& port, std::uint16_t queue, TxCounters& counters);
  ~TxQueue();
  TxQueue(const TxQueue&) = delete;
  TxQueue& operator=(const TxQueue&) = delete;

  // Where to write a frame of up to kFrameBytesMax; null: none now. The same again until commit().
  char* room(Kind kind);
  void commit(std::size_t frame_bytes);
  // Frames for which there is room() without a flush.
  std::size_t free() const { return kPendingMax - pending(); }
  // Hands what waits to the device, as far as it takes it.
  void flush();

 private:
  std::size_t pending() const { return tail_ - head_; }
  bool refill();
  std::size_t hand_over();
  void free_pending();
  void give_up();

  const std::uint16_t device_;
  const std::uint16_t queue_;
  rte_mempool* const pool_;
  TxCounters& counters_;
  std::array<rte_mbuf*, kSpareMax> spare_{};
  std::size_t spare_count_ = 0;
  std::array<rte_mbuf*, kPendingMax> pending_{};  // a ring, of which [head_, tail_) waits
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
  Nanos stuck_since_{0};  // 0: frames were taken
};

}  // namespace minos
