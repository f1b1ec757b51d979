#pragma once

#include <xdp/xsk.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "base/bits.h"
#include "transport/frame/frame.h"

namespace minos {

// The memory of an AF_XDP socket: frames of one size, first those to receive into, then those to
// send from.
inline constexpr std::uint32_t kXdpFrameBytes = 2048;
inline constexpr std::uint32_t kXdpRxFrames = 4096;
inline constexpr std::uint32_t kXdpTxFrames = 512;
// Received frames that wait for a worker.
inline constexpr std::uint32_t kXdpRxRing = 2048;
// The kernel puts its own headroom before a received frame.
static_assert(kFrameBytesMax + 256 <= kXdpFrameBytes);

// An AF_XDP socket of one queue of an interface, and its memory and rings; what they are used for
// is up to XdpRxQueue and XdpTxQueue.
class XdpSocket {
 public:
  struct Options {
    std::string interface{};
    std::uint32_t queue = 0;
    bool copy = false;  // the driver is not to touch its memory: for the kernel's generic mode
  };
  // Errors: sentences.
  static std::expected<std::unique_ptr<XdpSocket>, std::string> open(const Options& options);
  ~XdpSocket();
  XdpSocket(const XdpSocket&) = delete;
  XdpSocket& operator=(const XdpSocket&) = delete;

  int fd() const { return ::xsk_socket__fd(socket_); }
  char* frame(std::uint32_t index) const { return memory_ + std::size_t{index} * kXdpFrameBytes; }
  // Bytes as the rings tell of them, by their distance from the first frame.
  char* at(std::uint64_t offset) const { return memory_ + offset; }

  xsk_ring_prod fill{};  // frames for the kernel to receive into
  xsk_ring_cons rx{};
  xsk_ring_prod tx{};
  xsk_ring_cons completion{};  // frames that the kernel has sent

 private:
  XdpSocket() = default;

  static constexpr std::size_t kMemoryBytes =
      std::size_t{kXdpRxFrames + kXdpTxFrames} * kXdpFrameBytes;

  char* memory_ = nullptr;
  xsk_umem* umem_ = nullptr;
  xsk_socket* socket_ = nullptr;
};

}  // namespace minos
