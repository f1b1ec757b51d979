#include "transport/dpdk/tx_queue.h"

#include <rte_config.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>

#include "base/check.h"

namespace minos {

TxQueue::TxQueue(EthPort& port, std::uint16_t queue, TxCounters& counters)
    : device_(port.id()), queue_(queue), pool_(port.tx_pool(queue)), counters_(counters) {}

TxQueue::~TxQueue() {
  rte_pktmbuf_free_bulk(pending_.data(), static_cast<unsigned>(pending_count_));
  rte_pktmbuf_free_bulk(spare_.data(), static_cast<unsigned>(spare_count_));
}

bool TxQueue::refill() {
  if (rte_pktmbuf_alloc_bulk(pool_, spare_.data(), kSpareMax) != 0) return false;
  spare_count_ = kSpareMax;
  return true;
}

char* TxQueue::room(Kind kind) {
  const std::size_t limit = kind == Kind::kSmall ? kPendingMax : kPendingMax - kReserved;
  if (pending_count_ >= limit) [[unlikely]] {
    flush();
    if (pending_count_ >= limit) return nullptr;
  }
  if (spare_count_ == 0 && !refill()) return nullptr;
  return rte_pktmbuf_mtod(spare_[spare_count_ - 1], char*);
}

void TxQueue::commit(std::size_t frame_bytes) {
  DCHECK(spare_count_ > 0 && frame_bytes <= kFrameBytesMax);
  rte_mbuf* buffer = spare_[--spare_count_];
  buffer->data_len = static_cast<std::uint16_t>(frame_bytes);
  buffer->pkt_len = static_cast<std::uint32_t>(frame_bytes);
  pending_[pending_count_++] = buffer;
}

void TxQueue::flush() {
  if (pending_count_ == 0) return;
  const auto taken = rte_eth_tx_burst(device_, queue_, pending_.data(),
                                      static_cast<std::uint16_t>(pending_count_));
  counters_.sent.add(taken);
  std::copy(pending_.begin() + taken,
            pending_.begin() + static_cast<std::ptrdiff_t>(pending_count_), pending_.begin());
  pending_count_ -= taken;
  if (taken > 0) {
    stuck_since_ = Nanos(0);
    return;
  }
  const Nanos now = std::chrono::steady_clock::now().time_since_epoch();
  if (stuck_since_ == Nanos(0)) stuck_since_ = now;
  if (now - stuck_since_ > kPatience) give_up();
}

void TxQueue::give_up() {
  rte_pktmbuf_free_bulk(pending_.data(), static_cast<unsigned>(pending_count_));
  counters_.given_up.add(pending_count_);
  pending_count_ = 0;
  stuck_since_ = Nanos(0);
}

}  // namespace minos
