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
  free_pending();
  rte_pktmbuf_free_bulk(spare_.data(), static_cast<unsigned>(spare_count_));
}

void TxQueue::free_pending() {
  for (; head_ != tail_; ++head_) rte_pktmbuf_free(pending_[head_ % kPendingMax]);
}

bool TxQueue::refill() {
  if (rte_pktmbuf_alloc_bulk(pool_, spare_.data(), kSpareMax) != 0) return false;
  spare_count_ = kSpareMax;
  return true;
}

char* TxQueue::room(Kind kind) {
  const std::size_t limit = kind == Kind::kSmall ? kPendingMax : kPendingMax - kReserved;
  if (pending() >= limit) [[unlikely]] {
    flush();
    if (pending() >= limit) return nullptr;
  }
  if (spare_count_ == 0 && !refill()) return nullptr;
  return rte_pktmbuf_mtod(spare_[spare_count_ - 1], char*);
}

void TxQueue::commit(std::size_t frame_bytes) {
  DCHECK(spare_count_ > 0 && frame_bytes <= kFrameBytesMax);
  rte_mbuf* buffer = spare_[--spare_count_];
  buffer->data_len = static_cast<std::uint16_t>(frame_bytes);
  buffer->pkt_len = static_cast<std::uint32_t>(frame_bytes);
  pending_[tail_++ % kPendingMax] = buffer;
}

// In small bursts: a device may look at all that it is offered, whether it can take it or not.
std::size_t TxQueue::hand_over() {
  std::size_t all = 0;
  while (head_ != tail_) {
    const std::size_t at = head_ % kPendingMax;
    const std::size_t offered =
        std::min<std::size_t>({pending(), kPendingMax - at, std::size_t{kEthBurst}});
    const std::size_t taken = rte_eth_tx_burst(device_, queue_, pending_.data() + at,
                                               static_cast<std::uint16_t>(offered));
    head_ += taken;
    all += taken;
    if (taken < offered) break;
  }
  return all;
}

void TxQueue::flush() {
  if (head_ == tail_) return;
  if (const std::size_t taken = hand_over(); taken > 0) {
    counters_.sent.add(taken);
    stuck_since_ = Nanos(0);
    return;
  }
  const Nanos now = std::chrono::steady_clock::now().time_since_epoch();
  if (stuck_since_ == Nanos(0)) stuck_since_ = now;
  if (now - stuck_since_ > kPatience) give_up();
}

void TxQueue::give_up() {
  counters_.given_up.add(pending());
  free_pending();
  stuck_since_ = Nanos(0);
}

}  // namespace minos
