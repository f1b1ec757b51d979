#include "transport/xdp/xdp_rx_queue.h"

#include <sys/socket.h>

#include <algorithm>

#include "base/check.h"

namespace minos {

XdpRxQueue::XdpRxQueue(XdpSocket& socket)
    : socket_(socket), records_(std::make_unique<std::array<RxFrameRecord, kXdpRxFrames>>()) {
  for (RxFrameRecord& record : *records_) {
    record.owner = this;
    free_.push(&record, &record);
  }
  lent_ = kXdpRxFrames;
  refill();
}

void XdpRxQueue::refill() {
  std::uint32_t frames = 0;
  for (RxFrameRecord* record = free_.take_all(); record != nullptr; record = record->next) {
    std::uint32_t at = 0;
    // It holds all of them twice.
    CHECK(::xsk_ring_prod__reserve(&socket_.fill, 1, &at) == 1);
    const auto index = static_cast<std::uint64_t>(record - records_->data());
    *::xsk_ring_prod__fill_addr(&socket_.fill, at) = index * kXdpFrameBytes;
    ++frames;
  }
  if (frames == 0) return;
  ::xsk_ring_prod__submit(&socket_.fill, frames);
  lent_ -= frames;
}

std::size_t XdpRxQueue::receive(std::span<RxFrame> frames) {
  refill();
  const auto wanted =
      static_cast<std::uint32_t>(std::min<std::size_t>(frames.size(), kLentMax - lent_));
  std::uint32_t at = 0;
  const std::uint32_t got = wanted == 0 ? 0 : ::xsk_ring_cons__peek(&socket_.rx, wanted, &at);
  for (std::uint32_t i = 0; i < got; ++i) {
    const xdp_desc& desc = *::xsk_ring_cons__rx_desc(&socket_.rx, at + i);
    const std::uint64_t index = desc.addr / kXdpFrameBytes;
    CHECK(index < kXdpRxFrames);
    RxFrameRecord& record = (*records_)[index];
    record.users.store(1, std::memory_order_relaxed);
    frames[i] = {&record, {socket_.at(desc.addr), desc.len}};
  }
  if (got > 0) {
    ::xsk_ring_cons__release(&socket_.rx, got);
    lent_ += got;
  }
  if (::xsk_ring_prod__needs_wakeup(&socket_.fill) != 0) [[unlikely]] {
    // A driver that has run out of frames does not look for more by itself.
    ::recvfrom(socket_.fd(), nullptr, 0, MSG_DONTWAIT, nullptr, nullptr);
  }
  return got;
}

bool XdpRxQueue::keep(RxFrameRecord& frame) {
  if (kept_.fetch_add(1, std::memory_order_relaxed) >= kKeptMax) {
    kept_.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  frame.users.fetch_add(1, std::memory_order_relaxed);
  return true;
}

void XdpRxQueue::release_kept(RxFrameRecord& frame) {
  if (leave_frame(frame)) give_back(&frame, &frame);
  // After the frame is back, so that the bound holds at any time.
  kept_.fetch_sub(1, std::memory_order_relaxed);
}

}  // namespace minos
