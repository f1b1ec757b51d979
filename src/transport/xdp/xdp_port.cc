#include "transport/xdp/xdp_port.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace minos {

namespace {

// How long a worker sleeps while frames lie in its TX ring, or the poller cannot tell of a queue:
// nothing would wake it up.
constexpr Nanos kBlindSleep = millis(1);

// What a virtual device on this machine hands over may never have left it.
constexpr VerifiedChecksums kNothingVerified{.udp_may_be_partial = true};

void release_kept(void* buffer) {
  auto* const frame = static_cast<RxFrameRecord*>(buffer);
  frame->owner->release_kept(*frame);
}

}  // namespace

XdpPort::XdpPort(XdpDevice& device, std::uint16_t tx_queue, std::uint8_t plane)
    : device_(device),
      plane_(plane),
      self_(device.self()),
      counters_(device.counters(tx_queue)),
      tx_(device.socket(tx_queue), counters_.tx),
      replies_(self_, counters_, tx_, tx_) {}

XdpPort::~XdpPort() {
  free_received();
}

// Runs of one owner go back as a chain: one write of what its stack shares.
void XdpPort::free_received() {
  RxFrameRecord* first = nullptr;
  RxFrameRecord* last = nullptr;
  for (std::size_t i = 0; i < received_count_; ++i) {
    RxFrameRecord* const frame = received_[i].record;
    if (!leave_frame(*frame)) continue;
    if (first != nullptr && first->owner != frame->owner) {
      first->owner->give_back(first, last);
      first = nullptr;
    }
    frame->next = first;
    if (first == nullptr) last = frame;
    first = frame;
  }
  if (first != nullptr) first->owner->give_back(first, last);
  received_count_ = 0;
}

void XdpPort::receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
                      std::uint32_t& full) {
  free_received();
  ++rounds_;
  for (const RxQueueQuota& quota : queues) {
    CHECK(quota.queue.value < self_.ports);
    const std::size_t wanted =
        std::min<std::size_t>(quota.packets_max, kRxHeldMax - received_count_);
    RxQueueLock& lock = device_.rx_lock(quota.queue);
    if (wanted == 0 || !lock.try_lock()) continue;
    const std::size_t before = received_count_;
    const std::size_t got = receive_from(device_.sources(quota.queue), wanted);
    lock.unlock();
    if (got == wanted) ++full;
    take({received_.data() + before, got}, packets);
  }
}

// Starts with another one each time, so that none is left waiting when each has more than is
// wanted.
std::size_t XdpPort::receive_from(std::span<XdpRxQueue* const> sources, std::size_t wanted) {
  std::size_t got = 0;
  for (std::size_t i = 0; i < sources.size() && got < wanted; ++i) {
    XdpRxQueue& source = *sources[(rounds_ + i) % sources.size()];
    const std::size_t more = source.receive({received_.data() + received_count_, wanted - got});
    received_count_ += more;
    got += more;
  }
  return got;
}

void XdpPort::take(std::span<const RxFrame> frames, std::vector<RxPacket>& packets) {
  for (const RxFrame& frame : frames) __builtin_prefetch(frame.bytes.data());
  std::size_t datagrams = 0;
  for (const RxFrame& frame : frames) {
    const auto parsed = parse_frame(frame.bytes, self_, kNothingVerified);
    if (!parsed) {
      counters_.dropped[static_cast<std::size_t>(parsed.error())].add(1);
      continue;
    }
    ++datagrams;
    RxPacket& packet = packets.emplace_back();
    parsed->set(packet.peer);
    packet.peer.plane = plane_;
    packet.bytes = parsed->payload;
    packet.buffer = frame.record;
  }
  if (datagrams > 0) counters_.received.add(datagrams);
}

KeptPacket XdpPort::keep(const RxPacket& packet) {
  auto* const frame = static_cast<RxFrameRecord*>(packet.buffer);
  if (!frame->owner->keep(*frame)) {
    counters_.not_kept.add(1);
    return {};
  }
  return {packet.peer, packet.bytes, frame, release_kept};
}

bool XdpPort::watch(Poller& poller, QueueId queue) {
  for (XdpRxQueue* const source : device_.sources(queue)) {
    // Level-triggered, since a quota may leave something behind. Exclusive, since others may wait
    // for the same queue: a datagram wakes one of those that sleep.
    if (!poller.add(source->fd(), EPOLLIN | EPOLLEXCLUSIVE, nullptr)) return false;
  }
  return true;
}

Nanos XdpPort::prepare_sleep(Poller& poller, std::span<const RxQueueQuota> queues, Nanos block) {
  std::bitset<kWorkersMax> wanted;
  for (const RxQueueQuota& asked : queues) wanted.set(asked.queue.value);
  for (std::uint16_t i = 0; wanted != watched_ && i < self_.ports; ++i) {
    if (wanted[i] == watched_[i]) continue;
    watched_[i] = wanted[i] && watch(poller, QueueId{i});
    if (watched_[i]) continue;
    for (XdpRxQueue* const source : device_.sources(QueueId{i})) poller.remove(source->fd());
  }
  const bool is_blind = wanted != watched_ || tx_.has_unsent();
  return is_blind && (block < Nanos(0) || block > kBlindSleep) ? kBlindSleep : block;
}

}  // namespace minos
