#include "worker/buffer_pool.h"

#include <algorithm>
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

void BufferPool::trim() {
  const std::size_t kept = (free_.size() + credit_) % kBlockBuffers;
  const std::size_t back = free_.size() + credit_ - kept;
  if (back == 0) return;
  free_.resize(std::min(free_.size(), kept));
  credit_ = kept - free_.size();
  store_.release_buffers(back * kBufferBytes);
}

}  // namespace minos
