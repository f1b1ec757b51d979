#include "transport/xdp/xdp_tx_queue.h"

#include <sys/socket.h>

#include <cerrno>

#include "base/check.h"

namespace minos {

namespace {

// System calls of one flush: where the kernel copies, each sends 32 frames or less.
constexpr std::uint32_t kKicksMax = kXdpTxFrames / 16;

}  // namespace

XdpTxQueue::XdpTxQueue(XdpSocket& socket, XdpTxCounters& counters)
    : socket_(socket), counters_(counters) {
  for (std::uint32_t i = 0; i < kXdpTxFrames; ++i) free_[free_count_++] = kXdpRxFrames + i;
}

void XdpTxQueue::reclaim() {
  std::uint32_t at = 0;
  const std::uint32_t done = ::xsk_ring_cons__peek(&socket_.completion, kXdpTxFrames, &at);
  if (done == 0) return;
  for (std::uint32_t i = 0; i < done; ++i) {
    const std::uint64_t offset = *::xsk_ring_cons__comp_addr(&socket_.completion, at + i);
    CHECK(free_count_ < kXdpTxFrames);
    free_[free_count_++] = static_cast<std::uint32_t>(offset / kXdpFrameBytes);
  }
  ::xsk_ring_cons__release(&socket_.completion, done);
}

char* XdpTxQueue::room(Kind kind) {
  const std::uint32_t others = kind == Kind::kSmall ? 0 : kReserved;
  if (free_count_ <= others) [[unlikely]] {
    flush();
    reclaim();
    if (free_count_ <= others) return nullptr;
  }
  return socket_.frame(free_[free_count_ - 1]);
}

void XdpTxQueue::commit(std::size_t frame_bytes) {
  DCHECK(free_count_ > 0 && frame_bytes <= kFrameBytesMax);
  std::uint32_t at = 0;
  CHECK(::xsk_ring_prod__reserve(&socket_.tx, 1, &at) == 1);
  xdp_desc& desc = *::xsk_ring_prod__tx_desc(&socket_.tx, at);
  desc.addr = std::uint64_t{free_[--free_count_]} * kXdpFrameBytes;
  desc.len = static_cast<std::uint32_t>(frame_bytes);
  desc.options = 0;
  ++committed_;
}

std::uint32_t XdpTxQueue::unsent() {
  return kXdpTxFrames - ::xsk_prod_nb_free(&socket_.tx, kXdpTxFrames);
}

bool XdpTxQueue::has_unsent() {
  return unsent() != 0;
}

void XdpTxQueue::flush() {
  if (committed_ > 0) {
    ::xsk_ring_prod__submit(&socket_.tx, committed_);
    counters_.sent.add(committed_);
    committed_ = 0;
  }
  std::uint32_t left = unsent();
  for (std::uint32_t kick = 0; left > 0 && kick < kKicksMax; ++kick) {
    if (::xsk_ring_prod__needs_wakeup(&socket_.tx) == 0) return;
    const ssize_t rc = ::sendto(socket_.fd(), nullptr, 0, MSG_DONTWAIT, nullptr, 0);
    if (rc < 0 && errno != EAGAIN && errno != EBUSY && errno != ENOBUFS) counters_.failed.add(1);
    const std::uint32_t before = left;
    left = unsent();
    if (left == before) return;
  }
}

}  // namespace minos
