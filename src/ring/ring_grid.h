#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/units.h"
#include "ring/spsc_ring.h"

namespace minos {

// A ring from every producer to every consumer. Each of either is one thread. Memory of a ring is
// touched as it is used.
template <typename T>
class RingGrid {
 public:
  // `capacity` of each ring, in elements, is a power of two.
  RingGrid(std::uint16_t producers, std::uint16_t consumers, std::size_t capacity)
      : producers_(producers), capacity_(capacity), consumers_(consumers) {
    const std::size_t rings = std::size_t{producers} * consumers;
    rings_.reserve(rings);
    for (std::size_t i = 0; i < rings; ++i) {
      rings_.push_back(std::make_unique<SpscRing<T>>(capacity));
    }
  }

  // The producer. False when the ring is full: the element stays with the caller.
  bool try_push(std::uint16_t from, std::uint16_t to, T& element) {
    return rings_[index(from, to)]->try_push(std::move(element));
  }
  // The producer's view: what is false may be true a moment later.
  bool has_room(std::uint16_t from, std::uint16_t to) const {
    return rings_[index(from, to)]->size_approx() < capacity_;
  }

  // The consumer. At most one element, from each producer's ring in turn.
  std::optional<T> try_pop(std::uint16_t to) {
    std::uint16_t& next = consumers_[to].next_producer;
    for (std::uint16_t tried = 0; tried < producers_; ++tried) {
      const std::uint16_t from = next;
      next = next + 1 == producers_ ? std::uint16_t{0} : static_cast<std::uint16_t>(next + 1);
      if (auto element = rings_[index(from, to)]->try_pop()) return element;
    }
    return std::nullopt;
  }
  bool empty(std::uint16_t to) const {
    for (std::uint16_t from = 0; from < producers_; ++from) {
      if (!rings_[index(from, to)]->empty()) return false;
    }
    return true;
  }

 private:
  struct alignas(kCacheLineBytes) Consumer {
    std::uint16_t next_producer = 0;  // its own
  };

  std::size_t index(std::uint16_t from, std::uint16_t to) const {
    return std::size_t{from} * consumers_.size() + to;
  }

  std::uint16_t producers_;
  std::size_t capacity_;
  std::vector<Consumer> consumers_;
  std::vector<std::unique_ptr<SpscRing<T>>> rings_;
};

}  // namespace minos
