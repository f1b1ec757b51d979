#pragma once

#include <memory>
#include <vector>

#include "base/units.h"
#include "worker/address_token.h"
#include "worker/packet_mesh.h"
#include "worker/steal_queue.h"
#include "worker/write_window.h"

namespace minos {

// What the workers of a server share to serve datagrams; outlives them. RX queue q is the own queue
// of worker q % workers.
struct DatagramShared {
  DatagramShared(KvStore& store, std::uint16_t workers, std::uint16_t queues,
                 const AddressTokens::Secret& secret)
      : tokens(secret), mesh(workers, workers, kMeshRingMessages), received(workers) {
    for (std::uint16_t i = 0; i < queues; ++i) {
      windows.push_back(std::make_unique<WriteWindow>(store));
    }
  }

  std::uint16_t queues() const { return static_cast<std::uint16_t>(windows.size()); }

  const AddressTokens tokens;
  PacketMesh mesh;
  std::vector<std::unique_ptr<WriteWindow>> windows;  // of each RX queue
  std::vector<StealQueue> received;                   // of each worker, under work stealing
};

}  // namespace minos
