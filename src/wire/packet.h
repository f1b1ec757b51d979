#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"

// The seam between workers and datagram transports (kernel UDP, DPDK, AF_XDP, a simulated network).
// A transport moves datagrams; what they mean is the worker's business.
namespace minos {

// Payload of the largest datagram that is sent: an MTU of 1500 without IPv4 and UDP headers.
inline constexpr std::size_t kDatagramBytesMax = 1472;

// Where a datagram came from, which is where its reply goes, and by what way.
struct Peer {
  std::array<std::uint8_t, 16> address{};  // IPv6, or an IPv4 address mapped into it
  std::uint16_t port = 0;
  QueueId queue;            // it was sent to this RX queue: the reply comes from the port of that
  std::uint32_t scope = 0;  // of a link-local IPv6 address
  std::array<std::uint8_t, 6> link{};  // MAC address, of planes that see it
  std::uint8_t plane = 0;              // index of the DatagramPort among those of its worker
  // The plane's number for the address that it was sent to, from which the reply comes; 0: the
  // plane needs none.
  std::uint8_t local = 0;

  // Same address and port: the same client, whatever the queue.
  bool same_client(const Peer& other) const {
    return address == other.address && port == other.port && scope == other.scope;
  }
};

// A received datagram. `bytes` stay readable until its port's next receive(), unless it is kept.
struct RxPacket {
  Peer peer;
  std::string_view bytes;
  void* buffer = nullptr;  // its port's own record of the memory
};

// A datagram that outlives the step in which it came, on whatever core: it owns its memory.
class KeptPacket {
 public:
  using Release = void (*)(void* buffer);  // any thread

  KeptPacket() = default;
  KeptPacket(const Peer& peer, std::string_view bytes, void* buffer, Release release)
      : peer_(peer), bytes_(bytes), buffer_(buffer), release_(release) {}
  KeptPacket(KeptPacket&& other) noexcept
      : peer_(other.peer_),
        bytes_(other.bytes_),
        buffer_(std::exchange(other.buffer_, nullptr)),
        release_(other.release_) {}
  KeptPacket& operator=(KeptPacket&& other) noexcept {
    std::swap(peer_, other.peer_);
    std::swap(bytes_, other.bytes_);
    std::swap(buffer_, other.buffer_);
    std::swap(release_, other.release_);
    return *this;
  }
  ~KeptPacket() {
    if (buffer_ != nullptr) release_(buffer_);
  }

  explicit operator bool() const { return buffer_ != nullptr; }
  const Peer& peer() const { return peer_; }
  std::string_view bytes() const { return bytes_; }

 private:
  Peer peer_;
  std::string_view bytes_;
  void* buffer_ = nullptr;
  Release release_ = nullptr;
};

// How many datagrams to take from an RX queue in one round.
struct RxQueueQuota {
  QueueId queue;
  std::uint32_t packets_max = 0;
  // The queue is left alone while fewer wait. Only ports that are polled look at it: one that
  // sleeps would be woken again and again by what it left.
  std::uint32_t waiting_min = 1;
};

// One worker's way into one data plane: it receives from any RX queue of the plane and sends from a
// TX queue of its own. Used by the worker's thread.
class DatagramPort {
 public:
  virtual ~DatagramPort() = default;

  // Appends what waits in these queues, at most as much of each as its quota says, and adds 1 to
  // `full` for each queue that may hold more. A queue that another worker is receiving from counts
  // as empty. Never blocks. Memory of packets received before is reused, unless kept.
  virtual void receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
                       std::uint32_t& full) = 0;

  // Room for one datagram of up to kDatagramBytesMax to `peer`; null when there is none now, which
  // the port counts. commit() says how much of it was written, before any other call.
  virtual char* room(const Peer& peer) = 0;
  virtual void commit(std::size_t bytes) = 0;

  // Sends one datagram: `front`, which is copied, followed by `parts`, at most kDatagramPartsMax of
  // them, which stay readable until flush(). At most kDatagramBytesMax in all. False: the way out
  // is full, try again in a later step; small replies have room before large ones do.
  virtual bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) = 0;

  // Takes over the memory of a packet that was received last; empty when there is no memory.
  virtual KeptPacket keep(const RxPacket& packet) = 0;

  // Hands out what was committed and gathered.
  virtual void flush() = 0;
};

inline constexpr std::size_t kDatagramPartsMax = 4;

}  // namespace minos
