#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/units.h"
#include "transport/xdp/frame_stack.h"
#include "transport/xdp/xdp_socket.h"

namespace minos {

struct RxFrame {
  RxFrameRecord* record = nullptr;
  std::string_view bytes;
};

// The receiving half of an AF_XDP socket, and the frames that it receives into: each is the
// kernel's, waits in a ring, is lent to whoever received it, or lies in the stack of those that
// were given back. Outlives every frame that is lent.
class XdpRxQueue {
 public:
  // Frames that may be lent at a time, so that the kernel always has the others to receive into: a
  // worker that sleeps would not see that it has none.
  static constexpr std::uint32_t kLentMax = 2048;
  // Of these, frames that are kept. The rest is for those who do not keep them for long.
  static constexpr std::uint32_t kKeptMax = 1024;
  static_assert(kKeptMax < kLentMax && kLentMax < kXdpRxFrames);

  // Gives all frames to the kernel.
  explicit XdpRxQueue(XdpSocket& socket);

  int fd() const { return socket_.fd(); }

  // Takes what has come, as far as it fits; the caller is the only user of each. One thread at a
  // time.
  std::size_t receive(std::span<RxFrame> frames);

  // The rest may be called by any thread.

  // One user more, besides the caller. False: too many are kept.
  bool keep(RxFrameRecord& frame);
  // Ends what keep() began.
  void release_kept(RxFrameRecord& frame);
  // Frames without users; a chain from `first` to `last`.
  void give_back(RxFrameRecord* first, RxFrameRecord* last) { free_.push(first, last); }

 private:
  void refill();

  XdpSocket& socket_;
  std::unique_ptr<std::array<RxFrameRecord, kXdpRxFrames>> records_;
  std::uint32_t lent_ = 0;
  alignas(kCacheLineBytes) FrameStack free_;
  std::atomic<std::uint32_t> kept_{0};
};

// Of a frame that its user needs no more: true when there is no other, who then gives it back.
inline bool leave_frame(RxFrameRecord& frame) {
  // Nobody can join a frame that one user has alone. Both orders: whoever leaves before has done
  // with the bytes, and whoever leaves last gives them away.
  return frame.users.load(std::memory_order_acquire) == 1 ||
         frame.users.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

}  // namespace minos
