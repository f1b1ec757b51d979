#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace minos {

// Bytes waiting to be sent, in order: short ones copied in, long ones referred to.
class OutputBuffer {
 public:
  bool empty() const { return pending_ == 0; }
  std::uint64_t pending_bytes() const { return pending_; }

  void copy(std::string_view bytes);
  // `bytes` must stay where they are until they are sent.
  void refer(std::string_view bytes);

  // The front of what waits; returns the entries used.
  std::size_t gather(std::span<iovec> out) const;
  // The first `bytes` were sent.
  void sent(std::uint64_t bytes);

 private:
  struct Piece {
    const char* data;  // null: the next `size` bytes of copied_
    std::size_t size;
  };

  void compact();

  std::string copied_;
  std::vector<Piece> pieces_;
  std::size_t first_piece_ = 0;
  std::size_t first_sent_ = 0;    // of the first piece
  std::size_t copied_front_ = 0;  // where in copied_ the first unsent copied piece begins
  std::uint64_t pending_ = 0;
};

}  // namespace minos
