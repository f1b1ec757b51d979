#include "transport/udp/udp_port.h"

#include <sys/epoll.h>

#include <cstdlib>
#include <cstring>

#include "base/check.h"

namespace minos {

namespace {

// How long a worker sleeps while the kernel has refused replies for now, or cannot tell of a queue:
// nothing would wake it up.
constexpr Nanos kBlindSleep = millis(1);

}  // namespace

UdpPort::UdpPort(UdpQueues& queues, const Options& options)
    : queues_(queues),
      receiver_(queues, options.plane, options.message_bytes, counters_),
      sender_(queues, options.send_trains && queues.can_send_trains(), counters_) {
  CHECK(queues.count() <= kWorkersMax);
}

void UdpPort::receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
                      std::uint32_t& full) {
  receiver_.receive(queues, packets, full);
}

KeptPacket UdpPort::keep(const RxPacket& packet) {
  // An empty datagram owns memory too: without any it would be no packet.
  auto* const copy = static_cast<char*>(std::malloc(packet.bytes.size() + 1));
  if (copy == nullptr) {
    counters_.not_kept.add(1);
    return {};
  }
  if (!packet.bytes.empty()) std::memcpy(copy, packet.bytes.data(), packet.bytes.size());
  return {packet.peer, {copy, packet.bytes.size()}, copy, &std::free};
}

Nanos UdpPort::prepare_sleep(Poller& poller, std::span<const RxQueueQuota> queues, Nanos block) {
  if (receiver_.has_waiting()) return Nanos(0);
  std::bitset<kWorkersMax> wanted;
  for (const RxQueueQuota& asked : queues) wanted.set(asked.queue.value);
  if (wanted != watched_) {
    for (std::uint16_t i = 0; i < queues_.count(); ++i) {
      if (wanted[i] == watched_[i]) continue;
      const int socket = queues_.socket(QueueId{i});
      if (watched_[i]) poller.remove(socket);
      // Level-triggered, since a quota may leave something behind. Exclusive, since others may wait
      // for the same queue: a datagram wakes one of those that sleep.
      watched_[i] = wanted[i] && poller.add(socket, EPOLLIN | EPOLLEXCLUSIVE, nullptr);
    }
  }
  const bool is_blind = wanted != watched_ || sender_.has_unsent();
  return is_blind && (block < Nanos(0) || block > kBlindSleep) ? kBlindSleep : block;
}

}  // namespace minos
