#pragma once

#include <cstdint>

#include "store/kv_store.h"
#include "wire/datagram.h"
#include "wire/packet.h"

namespace minos {

// Payload of a full fragment of a get's reply: u32 flags and u64 cas follow the header.
inline constexpr std::uint16_t kReplyFragmentBytes = kDatagramBytesMax - kDatagramHeaderBytes - 12;
static_assert(kReplyFragmentBytes >= kFragmentBytesMin);

// A part of a large value on its way to a client, sent in fragments from where it is stored.
// Movable between cores. What is lost on the way, the client asks for again.
struct LargeReply {
  Peer peer;
  std::uint32_t request_id = 0;
  DatagramOp op = DatagramOp::kGet;
  std::uint8_t queues = 0;
  std::uint64_t token = 0;
  PinnedValue value;
  std::uint32_t flags = 0;
  std::uint64_t cas = 0;
  LargeCursor next;       // of the first fragment that was not sent
  std::uint64_t end = 0;  // the first byte that was not asked for
  std::uint16_t fragment_bytes = kReplyFragmentBytes;
  Nanos placed{0};   // when it was put into a queue
  Nanos started{0};  // when its first fragment was sent; 0: not yet

  bool done() const { return next.value_offset >= end; }

  // Sends up to `packets_max` fragments and returns how many went. Fewer: it is done, or the port
  // has no room for more now.
  std::uint32_t send(DatagramPort& port, std::uint32_t packets_max);
};

}  // namespace minos
