#include "worker/buffer_pool.h"

#include <utility>

namespace minos {

BufferPool::~BufferPool() {
  store_.release_buffers((free_.size() + credit_) * kBufferBytes);
}

char* BufferPool::acquire() {
  if (!free_.empty()) {
    char* buffer = free_.back().release();
    free_.pop_back();
    return buffer;
  }
  if (credit_ == 0) {
    if (!store_.charge_buffers(kBlockBuffers * kBufferBytes)) return nullptr;
    credit_ = kBlockBuffers;
  }
  --credit_;
  // Left uninitialised: it is written by the kernel or by a reply before it is read.
  return new char[kBufferBytes];
}

void BufferPool::release(char* buffer) {
  free_.emplace_back(buffer);
  if (free_.size() < kFreeMax) return;
  free_.resize(free_.size() - kBlockBuffers);
  store_.release_buffers(kBlockBuffers * kBufferBytes);
}

}  // namespace minos
