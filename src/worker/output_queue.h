#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "store/kv_store.h"
#include "worker/buffer_pool.h"

namespace minos {

// Reply bytes of one connection, in order: copied bytes in pool buffers, and pinned large values
// that are sent from where they are stored. Moves between workers with its connection; the pool of
// the current owner is passed to each call.
class OutputQueue {
 public:
  OutputQueue() = default;
  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;
  ~OutputQueue();

  bool empty() const { return bytes_ == 0; }
  std::uint64_t bytes() const { return bytes_; }
  bool has_large() const { return large_entries_ != 0; }
  // Bytes that precede the first value appended with append_large().
  std::uint64_t bytes_before_large() const;

  // Room for one contiguous write of `bytes` <= kBufferBytes, committed by wrote(); nullptr when no
  // buffer is to be had.
  char* reserve(std::size_t bytes, BufferPool& pool);
  void wrote(std::size_t bytes);

  // Copies; false (and nothing appended beyond what fitted) when no buffer is to be had.
  bool append(std::string_view bytes, BufferPool& pool);
  // A value above the small sizes, which is sent by the quantum.
  void append_large(PinnedValue value) { append_pinned(std::move(value), true); }
  // A value that is stored in chunks but is sent at once.
  void append_value(PinnedValue value) { append_pinned(std::move(value), false); }
  // Bytes that live as long as the program.
  void append_static(std::string_view bytes);

  std::size_t gather(std::uint64_t bytes_max, std::span<iovec> out) const;
  void sent(std::uint64_t bytes, BufferPool& pool);
  void clear(BufferPool& pool);

 private:
  struct Entry {
    char* buffer = nullptr;  // of the pool; nullptr: the text, or without one the pinned value
    const char* text = nullptr;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    bool large = false;
    PinnedValue value;
    LargeCursor cursor;

    std::uint64_t left() const {
      return value ? value.value_bytes() - cursor.value_offset : end - begin;
    }
  };

  Entry& new_entry();
  void append_pinned(PinnedValue value, bool large);
  void drop_front(BufferPool& pool);

  std::vector<Entry> entries_;
  std::size_t head_ = 0;  // entries before it are sent
  std::uint64_t bytes_ = 0;
  std::uint32_t large_entries_ = 0;
};

}  // namespace minos
