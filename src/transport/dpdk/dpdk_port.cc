#include "transport/dpdk/dpdk_port.h"

#include <rte_config.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "base/check.h"

namespace minos {
namespace {

// What a kept frame's buffer carries: where to say that it is released.
struct KeptMark {
  std::atomic<std::uint32_t>* kept = nullptr;
};

void release_kept(void* buffer) {
  auto* frame = static_cast<rte_mbuf*>(buffer);
  const KeptMark mark = *static_cast<const KeptMark*>(buffer_private(frame));
  rte_pktmbuf_free(frame);
  // After the buffer is back, so that the bound holds at any time.
  mark.kept->fetch_sub(1, std::memory_order_relaxed);
}

// NONE is the device's word for a datagram that never left this machine.
VerifiedChecksums verified_by_device(std::uint64_t flags) {
  const std::uint64_t ipv4 = flags & RTE_MBUF_F_RX_IP_CKSUM_MASK;
  const std::uint64_t udp = flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
  return {.ipv4 = ipv4 == RTE_MBUF_F_RX_IP_CKSUM_GOOD,
          .udp = udp == RTE_MBUF_F_RX_L4_CKSUM_GOOD || udp == RTE_MBUF_F_RX_L4_CKSUM_NONE};
}

}  // namespace

DpdkPort::DpdkPort(DpdkDevice& device, std::uint16_t worker, std::uint8_t plane)
    : device_(device),
      eth_id_(device.eth().id()),
      plane_(plane),
      self_(device.self()),
      counters_(device.counters(worker)),
      kept_(device.kept(worker)),
      tx_(device.eth(), worker, counters_.tx),
      replies_(self_, counters_, tx_, open_large_tx(worker)) {}

DpdkPort::~DpdkPort() {
  free_received();
}

TxQueue& DpdkPort::open_large_tx(std::uint16_t worker) {
  const std::uint16_t queue = device_.large_tx_queue(worker);
  return queue == worker ? tx_ : own_large_tx_.emplace(device_.eth(), queue, counters_.tx);
}

void DpdkPort::flush() {
  tx_.flush();
  if (own_large_tx_) own_large_tx_->flush();
}

void DpdkPort::free_received() {
  rte_pktmbuf_free_bulk(received_.data(), static_cast<unsigned>(received_count_));
  received_count_ = 0;
}

void DpdkPort::receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
                       std::uint32_t& full) {
  free_received();
  for (const RxQueueQuota& quota : queues) {
    CHECK(quota.queue.value < self_.ports);
    if (quota.packets_max == 0) continue;
    const std::size_t wanted = std::min<std::size_t>(
        std::max(quota.packets_max, device_.eth().rx_burst_min()), kRxHeldMax - received_count_);
    RxQueueLock& lock = device_.rx_lock(quota.queue);
    if (wanted == 0 || !lock.try_lock()) continue;
    if (quota.waiting_min > 1 && !device_.eth().has_waiting(quota.queue, quota.waiting_min)) {
      lock.unlock();
      continue;
    }
    rte_mbuf** to = received_.data() + received_count_;
    const std::size_t n =
        rte_eth_rx_burst(eth_id_, quota.queue.value, to, static_cast<std::uint16_t>(wanted));
    lock.unlock();
    received_count_ += n;
    if (n == wanted) ++full;
    take({to, n}, packets);
  }
}

void DpdkPort::take(std::span<rte_mbuf*> frames, std::vector<RxPacket>& packets) {
  for (rte_mbuf* frame : frames) rte_prefetch0(rte_pktmbuf_mtod(frame, const char*));
  std::size_t datagrams = 0;
  for (rte_mbuf* frame : frames) {
    const std::string_view bytes(rte_pktmbuf_mtod(frame, const char*), frame->data_len);
    // More than one segment is more than an MTU.
    const auto parsed = frame->nb_segs == 1
                            ? parse_frame(bytes, self_, verified_by_device(frame->ol_flags))
                            : std::unexpected(FrameDrop::kBadLength);
    if (!parsed) {
      answer_or_drop(bytes, parsed.error());
      continue;
    }
    ++datagrams;
    RxPacket& packet = packets.emplace_back();
    parsed->set(packet.peer);
    packet.peer.plane = plane_;
    packet.bytes = parsed->payload;
    packet.buffer = frame;
  }
  if (datagrams > 0) counters_.received.add(datagrams);
}

// The answer is a copy: a device may insist that all that a TX queue sends is from one pool.
void DpdkPort::answer_or_drop(std::string_view frame, FrameDrop why) {
  if (frame.size() <= kFrameBytesMax) {
    if (char* answer = tx_.room(TxQueue::Kind::kLarge)) {
      std::memcpy(answer, frame.data(), frame.size());
      if (const std::size_t bytes = answer_frame(answer, frame.size(), self_); bytes != 0) {
        tx_.commit(bytes);
        counters_.answered.add(1);
        return;
      }
    }
  }
  counters_.dropped[static_cast<std::size_t>(why)].add(1);
}

KeptPacket DpdkPort::keep(const RxPacket& packet) {
  if (kept_.load(std::memory_order_relaxed) >= device_.kept_packets_max()) {
    counters_.not_kept.add(1);
    return {};
  }
  kept_.fetch_add(1, std::memory_order_relaxed);
  auto* frame = static_cast<rte_mbuf*>(packet.buffer);
  ::new (buffer_private(frame)) KeptMark{&kept_};
  // One reference more: the next receive() drops the first, release_kept() the other, on whatever
  // thread, in whatever order.
  rte_mbuf_refcnt_update(frame, 1);
  return {packet.peer, packet.bytes, frame, release_kept};
}

}  // namespace minos
