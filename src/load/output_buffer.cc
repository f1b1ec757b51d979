#include "load/output_buffer.h"

#include <algorithm>

#include "base/check.h"

namespace minos {
namespace {

constexpr std::size_t kCompactPieces = 4096;
constexpr std::size_t kCompactBytes = 1 << 20;

}  // namespace

void OutputBuffer::copy(std::string_view bytes) {
  copied_.append(bytes);
  pending_ += bytes.size();
  if (pieces_.size() > first_piece_ && pieces_.back().data == nullptr) {
    pieces_.back().size += bytes.size();
  } else {
    pieces_.push_back({nullptr, bytes.size()});
  }
}

void OutputBuffer::refer(std::string_view bytes) {
  if (bytes.empty()) return;
  pieces_.push_back({bytes.data(), bytes.size()});
  pending_ += bytes.size();
}

std::size_t OutputBuffer::gather(std::span<iovec> out) const {
  std::size_t used = 0;
  std::size_t copied_at = copied_front_;
  std::size_t skip = first_sent_;
  for (std::size_t i = first_piece_; i < pieces_.size() && used < out.size(); ++i) {
    const Piece& piece = pieces_[i];
    const char* const data = piece.data != nullptr ? piece.data : copied_.data() + copied_at;
    if (piece.data == nullptr) copied_at += piece.size;
    out[used++] = {.iov_base = const_cast<char*>(data) + skip, .iov_len = piece.size - skip};
    skip = 0;
  }
  return used;
}

void OutputBuffer::sent(std::uint64_t bytes) {
  CHECK(bytes <= pending_);
  pending_ -= bytes;
  if (pending_ == 0) {
    copied_.clear();
    pieces_.clear();
    first_piece_ = first_sent_ = copied_front_ = 0;
    return;
  }
  while (bytes > 0) {
    const Piece& piece = pieces_[first_piece_];
    const std::size_t taken = std::min(bytes, piece.size - first_sent_);
    bytes -= taken;
    first_sent_ += taken;
    if (first_sent_ < piece.size) break;
    if (piece.data == nullptr) copied_front_ += piece.size;
    first_sent_ = 0;
    ++first_piece_;
  }
  compact();
}

// A server that never takes everything must not make the buffer grow for ever.
void OutputBuffer::compact() {
  if (first_piece_ > kCompactPieces && first_piece_ > pieces_.size() / 2) {
    pieces_.erase(pieces_.begin(), pieces_.begin() + static_cast<std::ptrdiff_t>(first_piece_));
    first_piece_ = 0;
  }
  const bool copied_first = pieces_[first_piece_].data == nullptr;
  const std::size_t done = copied_front_ + (copied_first ? first_sent_ : 0);
  if (done < kCompactBytes || done < copied_.size() / 2) return;
  if (copied_first) {
    pieces_[first_piece_].size -= first_sent_;
    first_sent_ = 0;
  }
  copied_.erase(0, done);
  copied_front_ = 0;
}

}  // namespace minos
