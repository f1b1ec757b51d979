#include "transport/udp/udp_receiver.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace minos {

namespace {

// Messages that a port can hold.
constexpr std::size_t kMessages = 32;
// Beside their payload: not a multiple of a page, so that the headers of all messages do not
// compete for the same cache lines.
constexpr std::size_t kMessageGapBytes = 4096 + kCacheLineBytes;
// System calls for one queue in one receive(). More than one are made only after trains that were
// shorter than expected.
constexpr int kBatchesMax = 4;
// Datagrams returned at a time of queues that are not asked for any more.
constexpr std::uint32_t kUnaskedPackets = 32;

std::size_t train_segment_bytes(const msghdr& header) {
  auto* end = const_cast<msghdr*>(&header);
  for (cmsghdr* at = CMSG_FIRSTHDR(end); at != nullptr; at = CMSG_NXTHDR(end, at)) {
    if (at->cmsg_level != SOL_UDP || at->cmsg_type != UDP_GRO) continue;
    int bytes = 0;
    std::memcpy(&bytes, CMSG_DATA(at), sizeof bytes);
    return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
  }
  return 0;
}

}  // namespace

UdpReceiver::UdpReceiver(const UdpQueues& queues, std::uint8_t plane, std::size_t message_bytes,
                         UdpCounters& counters)
    : queues_(queues),
      plane_(plane),
      counters_(counters),
      memory_(
          std::make_unique_for_overwrite<char[]>(kMessages * (message_bytes + kMessageGapBytes))),
      messages_(kMessages),
      headers_(kMessages),
      batch_(kMessages),
      left_(queues.count()) {
  for (std::size_t i = kMessages; i-- > 0;) {
    messages_[i].part = {memory_.get() + i * (message_bytes + kMessageGapBytes), message_bytes};
    free_.push_back(static_cast<Index>(i));
  }
  lent_.reserve(kMessages);
  waiting_.reserve(kMessages);
}

void UdpReceiver::receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
                          std::uint32_t& full) {
  // From the last one lent: it was used first, as the next batch will use it.
  while (!lent_.empty()) {
    free_.push_back(lent_.back());
    lent_.pop_back();
  }
  for (const RxQueueQuota& asked : queues) {
    DCHECK(asked.queue.value < left_.size());
    left_[asked.queue.value] = asked.packets_max;
  }
  if (!waiting_.empty()) give_waiting(queues, packets);
  for (std::size_t i = 0; i < queues.size(); ++i) {
    const QueueId queue = queues[(first_ + i) % queues.size()].queue;
    const std::uint32_t left = std::exchange(left_[queue.value], 0);
    if (left == 0 || has_waiting(queue) || receive_from(queue, left, packets)) ++full;
  }
  ++first_;
}

void UdpReceiver::give_waiting(std::span<const RxQueueQuota> queues,
                               std::vector<RxPacket>& packets) {
  std::uint32_t unasked = kUnaskedPackets;
  std::erase_if(waiting_, [&](Index index) {
    const QueueId queue = messages_[index].peer.queue;
    const bool asked = std::ranges::any_of(
        queues, [&](const RxQueueQuota& quota) { return quota.queue == queue; });
    std::uint32_t& left = asked ? left_[queue.value] : unasked;
    if (left == 0) return false;
    left -= give(index, left, packets);
    return messages_[index].is_given;
  });
}

bool UdpReceiver::has_waiting(QueueId queue) const {
  return std::ranges::any_of(waiting_,
                             [&](Index index) { return messages_[index].peer.queue == queue; });
}

// True when the queue may hold more.
bool UdpReceiver::receive_from(QueueId queue, std::uint32_t packets_max,
                               std::vector<RxPacket>& packets) {
  for (int batch = 0; batch < kBatchesMax && packets_max > 0; ++batch) {
    const std::size_t wanted =
        std::min<std::size_t>((packets_max + train_ - 1) / train_, free_.size());
    if (wanted == 0) return true;
    const std::size_t got = receive_batch(queue, wanted);
    std::size_t datagrams = 0;
    for (std::size_t i = 0; i < got; ++i) {
      const Index index = batch_[i];
      const std::size_t held = accept(headers_[i], queue, messages_[index]);
      datagrams += held;
      if (held == 0) {
        free_.push_back(index);
      } else {
        packets_max -= give(index, packets_max, packets);
        if (!messages_[index].is_given) waiting_.push_back(index);
      }
    }
    if (got > 0) train_ = static_cast<std::uint32_t>(std::max<std::size_t>(datagrams / got, 1));
    if (got < wanted) return has_waiting(queue);
  }
  return true;
}

// The messages received are the first of batch_, in the order of headers_.
std::size_t UdpReceiver::receive_batch(QueueId queue, std::size_t wanted) {
  for (std::size_t i = 0; i < wanted; ++i) {
    batch_[i] = free_.back();
    free_.pop_back();
    Message& message = messages_[batch_[i]];
    msghdr& header = headers_[i].msg_hdr;
    header = {};
    header.msg_name = &message.from;
    header.msg_namelen = sizeof message.from;
    header.msg_iov = &message.part;
    header.msg_iovlen = 1;
    if (queues_.receives_trains() || queues_.tells_locals()) {
      header.msg_control = message.control;
      header.msg_controllen = sizeof message.control;
    }
  }
  const int got = ::recvmmsg(queues_.socket(queue), headers_.data(), static_cast<unsigned>(wanted),
                             MSG_DONTWAIT, nullptr);
  const std::size_t used = static_cast<std::size_t>(std::max(got, 0));
  for (std::size_t i = wanted; i-- > used;) free_.push_back(batch_[i]);
  if (got > 0) {
    counters_.batches_in.add(1);
  } else if (errno != EAGAIN && errno != EINTR) {
    // Of an earlier send, such as a port that nobody listens on; telling of it has cleared it.
    counters_.receive_errors.add(1);
  }
  return used;
}

// The number of the address that the message came to; 0: none that a reply could come from.
std::uint8_t UdpReceiver::local_of(const msghdr& header) const {
  auto* end = const_cast<msghdr*>(&header);
  for (cmsghdr* at = CMSG_FIRSTHDR(end); at != nullptr; at = CMSG_NXTHDR(end, at)) {
    UdpLocals::Address address{};
    if (at->cmsg_level == IPPROTO_IPV6 && at->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo to;
      std::memcpy(&to, CMSG_DATA(at), sizeof to);
      if (IN6_IS_ADDR_MULTICAST(&to.ipi6_addr)) return 0;
      std::memcpy(address.data(), &to.ipi6_addr, address.size());
    } else if (at->cmsg_level == IPPROTO_IP && at->cmsg_type == IP_PKTINFO) {
      in_pktinfo to;
      std::memcpy(&to, CMSG_DATA(at), sizeof to);
      std::memcpy(address.data(), &to.ipi_spec_dst, sizeof to.ipi_spec_dst);
    } else {
      continue;
    }
    return queues_.locals().number_of(address);
  }
  return 0;
}

// Returns how many datagrams the message holds; 0: it is skipped.
std::size_t UdpReceiver::accept(const mmsghdr& header, QueueId queue, Message& message) {
  if ((header.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
    counters_.truncated.add(1);
    return 0;
  }
  message.peer = peer_of(message.from, queues_.is_ipv6());
  message.peer.queue = queue;
  message.peer.plane = plane_;
  if (queues_.tells_locals()) message.peer.local = local_of(header.msg_hdr);
  message.bytes = header.msg_len;
  message.offset = 0;
  message.is_given = false;
  message.segment_bytes = message.bytes;
  if (const std::size_t bytes = train_segment_bytes(header.msg_hdr); bytes != 0) {
    message.segment_bytes = std::min(bytes, message.bytes);
  }
  if (message.bytes <= message.segment_bytes) return 1;
  return (message.bytes + message.segment_bytes - 1) / message.segment_bytes;
}

// Returns how many datagrams of the message it appended.
std::uint32_t UdpReceiver::give(Index index, std::uint32_t packets_max,
                                std::vector<RxPacket>& packets) {
  Message& message = messages_[index];
  const char* const start = static_cast<const char*>(message.part.iov_base);
  std::uint32_t given = 0;
  while (given < packets_max && !message.is_given) {
    const std::size_t bytes = std::min(message.segment_bytes, message.bytes - message.offset);
    packets.push_back({message.peer, {start + message.offset, bytes}, nullptr});
    message.offset += bytes;
    message.is_given = message.offset == message.bytes;
    ++given;
  }
  if (message.is_given) lent_.push_back(index);
  counters_.packets_in.add(given);
  return given;
}

}  // namespace minos
