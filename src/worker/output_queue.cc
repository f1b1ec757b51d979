#include "worker/output_queue.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"

namespace minos {

OutputQueue::~OutputQueue() {
  CHECK(head_ == entries_.size());
}

std::uint64_t OutputQueue::bytes_before_large() const {
  std::uint64_t bytes = 0;
  for (std::size_t i = head_; i < entries_.size() && !entries_[i].large; ++i) {
    bytes += entries_[i].left();
  }
  return bytes;
}

char* OutputQueue::reserve(std::size_t bytes, BufferPool& pool) {
  DCHECK(bytes <= BufferPool::kBufferBytes);
  if (head_ < entries_.size()) {
    Entry& last = entries_.back();
    if (last.buffer != nullptr && BufferPool::kBufferBytes - last.end >= bytes) {
      return last.buffer + last.end;
    }
  }
  char* buffer = pool.acquire();
  if (buffer == nullptr) return nullptr;
  new_entry().buffer = buffer;
  return buffer;
}

void OutputQueue::wrote(std::size_t bytes) {
  entries_.back().end += static_cast<std::uint32_t>(bytes);
  bytes_ += bytes;
}

bool OutputQueue::append(std::string_view bytes, BufferPool& pool) {
  while (!bytes.empty()) {
    char* to = reserve(1, pool);
    if (to == nullptr) return false;
    const std::size_t room = BufferPool::kBufferBytes - entries_.back().end;
    const std::size_t n = std::min(room, bytes.size());
    std::memcpy(to, bytes.data(), n);
    wrote(n);
    bytes.remove_prefix(n);
  }
  return true;
}

OutputQueue::Entry& OutputQueue::new_entry() {
  constexpr std::size_t kSentEntriesMax = 64;
  if (head_ > kSentEntriesMax) {
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  return entries_.emplace_back();
}

void OutputQueue::append_static(std::string_view bytes) {
  Entry& entry = new_entry();
  entry.text = bytes.data();
  entry.end = static_cast<std::uint32_t>(bytes.size());
  bytes_ += bytes.size();
}

void OutputQueue::append_pinned(PinnedValue value, bool large) {
  Entry& entry = new_entry();
  entry.cursor = value.begin();
  entry.value = std::move(value);
  entry.large = large;
  bytes_ += entry.left();
  large_entries_ += large ? 1 : 0;
}

std::size_t OutputQueue::gather(std::uint64_t bytes_max, std::span<iovec> out) const {
  std::size_t used = 0;
  for (std::size_t i = head_; i < entries_.size() && used < out.size() && bytes_max > 0; ++i) {
    const Entry& entry = entries_[i];
    const std::uint64_t bytes = std::min(bytes_max, entry.left());
    if (bytes == 0) continue;
    if (!entry.value) {
      const char* from = entry.buffer != nullptr ? entry.buffer : entry.text;
      out[used++] = {const_cast<char*>(from) + entry.begin, bytes};
    } else {
      used += entry.value.gather(entry.cursor, bytes, out.subspan(used));
      if (used == out.size()) break;
    }
    bytes_max -= bytes;
  }
  return used;
}

void OutputQueue::sent(std::uint64_t bytes, BufferPool& pool) {
  DCHECK(bytes <= bytes_);
  bytes_ -= bytes;
  while (bytes > 0) {
    Entry& entry = entries_[head_];
    const std::uint64_t n = std::min(bytes, entry.left());
    if (entry.value) {
      entry.value.advance(entry.cursor, n);
    } else {
      entry.begin += static_cast<std::uint32_t>(n);
    }
    bytes -= n;
    if (entry.left() == 0) drop_front(pool);
  }
  if (bytes_ == 0) clear(pool);
}

void OutputQueue::drop_front(BufferPool& pool) {
  Entry& entry = entries_[head_++];
  if (entry.buffer != nullptr) pool.release(entry.buffer);
  entry.buffer = nullptr;
  large_entries_ -= entry.large ? 1 : 0;
  entry.large = false;
  entry.value = PinnedValue();
}

void OutputQueue::clear(BufferPool& pool) {
  while (head_ < entries_.size()) drop_front(pool);
  entries_.clear();
  head_ = 0;
  bytes_ = 0;
  // An idle connection keeps room for one entry only.
  if (entries_.capacity() > 8) std::vector<Entry>().swap(entries_);
}

}  // namespace minos
