#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "wire/datagram.h"
#include "wire/packet.h"

namespace minos {

// A datagram to be sent: `front`, followed by `payload`, which belongs to whoever made it.
struct OutDatagram {
  QueueId queue;
  std::uint16_t front_bytes = 0;
  std::array<char, kDatagramFrontBytesMax> front;
  std::string_view payload;

  std::size_t bytes() const { return front_bytes + payload.size(); }
};

// A received datagram.
struct InDatagram {
  QueueId queue;  // the RX queue that answers, or kAnyQueue when the way does not tell
  std::string_view bytes;
};

inline constexpr QueueId kAnyQueue{0xffff};

// Moves datagrams between a client and one server: kernel UDP, user-level networking, or a test.
// As on any network, what is sent may be lost, come twice or out of order. One owner thread.
class DatagramChannel {
 public:
  virtual ~DatagramChannel() = default;

  // How many datagrams find room now. Whoever has more receives first, and asks again: the server
  // may be waiting for room on its way out before it takes more.
  virtual std::size_t room() { return std::numeric_limits<std::size_t>::max(); }

  // Never waits. All of it is copied, or gone, when this returns: what finds no room is lost.
  virtual void send(std::span<const OutDatagram> datagrams) = 0;

  // Appends what has arrived, a bounded number, without waiting. The bytes stay readable until the
  // next call.
  virtual void receive(std::vector<InDatagram>& datagrams) = 0;

  // Returns when there may be something to receive, or after `timeout`.
  virtual void wait(Nanos timeout) = 0;

  // How many bytes of values may be on their way to this client without being lost for want of
  // buffers; 0: any.
  virtual std::uint32_t window_bytes() const = 0;
};

}  // namespace minos
