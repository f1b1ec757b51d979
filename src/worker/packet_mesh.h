#pragma once

#include <variant>

#include "ring/ring_grid.h"
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

// From every worker to every other, for what datagrams bring.
using PacketMesh = RingGrid<PacketMessage>;

}  // namespace minos
