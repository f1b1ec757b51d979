#include "worker/mesh.h"

#include <utility>

namespace minos {

Mesh::Mesh(std::uint16_t workers) : workers_(workers), states_(workers) {
  const std::size_t rings = (std::size_t{workers} + 1) * workers;
  rings_.reserve(rings);
  for (std::size_t i = 0; i < rings; ++i) {
    rings_.push_back(std::make_unique<SpscRing<Message>>(kMeshRingMessages));
  }
}

Mesh::Message Mesh::try_pop(CoreId self) {
  State& own = state(self);
  for (std::uint16_t tried = 0; tried <= workers_; ++tried) {
    const std::uint16_t producer = own.next_producer;
    own.next_producer = producer == workers_ ? 0 : static_cast<std::uint16_t>(producer + 1);
    if (auto message = ring(producer, self).try_pop()) return std::move(*message);
  }
  return nullptr;
}

bool Mesh::empty(CoreId self) const {
  for (std::uint16_t producer = 0; producer <= workers_; ++producer) {
    if (!ring(producer, self).empty()) return false;
  }
  return true;
}

}  // namespace minos
