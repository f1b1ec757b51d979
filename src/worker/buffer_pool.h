#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/limits.h"
#include "store/kv_store.h"

namespace minos {

// Connection buffers of one size, kept hot by reusing the last one released. What is in use and
// what is kept is charged to the store's memory limit by the block of kBlockBuffers; blocks that
// are no longer needed are given back. One owner; a buffer may be released to another worker's
// pool, since every pool's buffers are alike.
class BufferPool {
 public:
  static constexpr std::size_t kBufferBytes = kStreamInputBytes;
  static constexpr std::size_t kBlockBuffers = 16;

  explicit BufferPool(KvStore& store) : store_(store) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;

  // nullptr when the memory limit leaves no room.
  char* acquire();
  void release(char* buffer);
  // Gives back what is not in use by the block: less than one is kept.
  void trim();

 private:
  static constexpr std::size_t kFreeMax = 4 * kBlockBuffers;

  KvStore& store_;
  std::vector<std::unique_ptr<char[]>> free_;
  std::size_t credit_ = 0;  // buffers that may still be created under what was charged
};

}  // namespace minos
