#include "worker/large_reply.h"

#include <algorithm>
#include <array>

namespace minos {

std::uint32_t LargeReply::send(DatagramPort& port, std::uint32_t packets_max) {
  Datagram front;
  front.header.reply = true;
  front.header.op = op;
  front.header.request_id = request_id;
  front.header.token = token;
  front.header.value_bytes = static_cast<std::uint32_t>(value.value_bytes());
  front.header.fragment_bytes = fragment_bytes;
  front.header.queue = queues;
  front.flags = flags;
  front.number = cas;
  std::array<char, kDatagramFrontBytesMax> bytes;
  std::array<iovec, kDatagramPartsMax> parts;
  std::uint32_t sent = 0;
  for (; sent < packets_max && !done(); ++sent) {
    const std::uint64_t left = value.value_bytes() - next.value_offset;
    const std::uint64_t payload = std::min<std::uint64_t>(left, fragment_bytes);
    front.header.offset = static_cast<std::uint32_t>(next.value_offset);
    const std::size_t front_bytes = write_front(front, bytes.data());
    const std::size_t used = value.gather(next, payload, parts);
    if (!port.gather(peer, {bytes.data(), front_bytes}, std::span(parts).first(used))) break;
    value.advance(next, payload);
  }
  return sent;
}

}  // namespace minos
