#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace minos {

class PacketPool;

// Memory of a received datagram.
struct PacketBuffer {
  PacketPool* pool = nullptr;
  std::uint32_t index = 0;  // among those that its core received together
  char* bytes = nullptr;
};

// Buffers for packets, as many as workers hold at a time; outlives what was taken from it.
class PacketPool {
 public:
  explicit PacketPool(std::size_t packet_bytes) : packet_bytes_(packet_bytes) {}

  PacketBuffer* take() {
    if (free_.empty()) grow();
    PacketBuffer* const buffer = free_.back();
    free_.pop_back();
    return buffer;
  }
  void put(PacketBuffer* buffer) { free_.push_back(buffer); }

  // As a KeptPacket wants it.
  static void release(void* buffer) {
    auto* const packet = static_cast<PacketBuffer*>(buffer);
    packet->pool->put(packet);
  }

 private:
  static constexpr std::size_t kBlock = 64;

  void grow() {
    blocks_.push_back(std::make_unique<PacketBuffer[]>(kBlock));
    memory_.push_back(std::make_unique_for_overwrite<char[]>(kBlock * packet_bytes_));
    free_.reserve(blocks_.size() * kBlock);
    for (std::size_t i = 0; i < kBlock; ++i) {
      PacketBuffer& buffer = blocks_.back()[i];
      buffer.pool = this;
      buffer.bytes = memory_.back().get() + i * packet_bytes_;
      free_.push_back(&buffer);
    }
  }

  std::size_t packet_bytes_;
  std::vector<std::unique_ptr<PacketBuffer[]>> blocks_;
  std::vector<std::unique_ptr<char[]>> memory_;
  std::vector<PacketBuffer*> free_;
};

}  // namespace minos
