#pragma once

#include "base/units.h"
#include "worker/packet_mesh.h"

namespace minos {

// Watches what passes between a worker and the others during its step, at the moment when it does:
// a simulator accounts for it then. Called on the worker's thread.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  // A datagram, or a large reply, is about to be put into the ring of `to`.
  virtual void handing_off(const PacketMessage& message, CoreId to) = 0;
  // It was taken from a ring.
  virtual void took(const PacketMessage& message) = 0;
  // Requests that another core received are taken from its queue.
  virtual void stealing(std::uint32_t requests) = 0;
};

}  // namespace minos
