#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "base/limits.h"
#include "base/units.h"
#include "ring/spsc_ring.h"
#include "wire/packet.h"
#include "worker/large_reply.h"

namespace minos {

// A request that another core received, to be executed here.
struct ForwardedRequest {
  KeptPacket packet;
  bool placed = false;  // its address is proven, and this core was chosen for its size
};
// A fragment of a value that is put together here.
struct ForwardedFragment {
  KeptPacket packet;
};
using PacketMessage = std::variant<std::monostate, ForwardedRequest, ForwardedFragment, LargeReply>;

// Rings from every worker to every other, for what datagrams bring. Each has one producing and one
// consuming thread. Memory of a ring is touched as it is used.
class PacketMesh {
 public:
  explicit PacketMesh(std::uint16_t workers) : workers_(workers), consumers_(workers) {
    const std::size_t rings = std::size_t{workers} * workers;
    rings_.reserve(rings);
    for (std::size_t i = 0; i < rings; ++i) {
      rings_.push_back(std::make_unique<SpscRing<PacketMessage>>(kMeshRingMessages));
    }
  }

  // False when the ring is full: the message stays with the caller.
  bool try_push(CoreId from, CoreId to, PacketMessage& message) {
    return ring(from, to).try_push(std::move(message));
  }

  // The producer's view: false until the other side takes something.
  bool has_room(CoreId from, CoreId to) const {
    return rings_[index(from, to)]->size_approx() < kMeshRingMessages;
  }

  // At most one message, from each producer's ring in turn; monostate when all are empty.
  PacketMessage try_pop(CoreId self) {
    std::uint16_t& next = consumers_[self.value].next_producer;
    for (std::uint16_t tried = 0; tried < workers_; ++tried) {
      const CoreId from{next};
      next = next + 1 == workers_ ? std::uint16_t{0} : static_cast<std::uint16_t>(next + 1);
      if (auto message = ring(from, self).try_pop()) return std::move(*message);
    }
    return {};
  }

  bool empty(CoreId self) const {
    for (std::uint16_t from = 0; from < workers_; ++from) {
      if (!rings_[index(CoreId{from}, self)]->empty()) return false;
    }
    return true;
  }

 private:
  struct alignas(kCacheLineBytes) Consumer {
    std::uint16_t next_producer = 0;  // its own
  };

  std::size_t index(CoreId from, CoreId to) const {
    return std::size_t{from.value} * workers_ + to.value;
  }
  SpscRing<PacketMessage>& ring(CoreId from, CoreId to) { return *rings_[index(from, to)]; }

  std::uint16_t workers_;
  std::vector<Consumer> consumers_;
  std::vector<std::unique_ptr<SpscRing<PacketMessage>>> rings_;
};

}  // namespace minos
