#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/histogram.h"
#include "transport/xdp/xdp_socket.h"

namespace minos {

struct XdpTxCounters {
  SharedCounter sent;    // frames given to the kernel
  SharedCounter failed;  // times that it would not look at them: the interface is down
};

// The sending half of an AF_XDP socket. Its ring has room for every frame that there is to send
// from, so what is bounded is frames. Used by one thread.
class XdpTxQueue {
 public:
  // The last frames are for room(kSmall).
  static constexpr std::uint32_t kReserved = kXdpTxFrames / 2;

  enum class Kind : std::uint8_t { kSmall, kLarge };

  XdpTxQueue(XdpSocket& socket, XdpTxCounters& counters);
  XdpTxQueue(const XdpTxQueue&) = delete;
  XdpTxQueue& operator=(const XdpTxQueue&) = delete;

  // Where to write a frame of up to kFrameBytesMax; null: none now. The same again until commit().
  char* room(Kind kind);
  void commit(std::size_t frame_bytes);
  // Has the kernel send what was committed, as far as it does now.
  void flush();
  // Is there something that the kernel has not looked at?
  bool has_unsent();

 private:
  std::uint32_t unsent();
  void reclaim();

  XdpSocket& socket_;
  XdpTxCounters& counters_;
  std::array<std::uint32_t, kXdpTxFrames> free_{};
  std::uint32_t free_count_ = 0;
  std::uint32_t committed_ = 0;  // since the last flush
};

}  // namespace minos
