#include "worker/connection.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "worker/worker.h"

namespace minos {

Connection::Connection(int handle, std::uint64_t item_bytes_max, ConnectionRegistry* registry,
                       int slot)
    : parser(item_bytes_max), registry_(registry), slot_(slot) {
  route_.handle = handle;
}

Connection::~Connection() {
  if (worker != nullptr) {
    out_.clear(worker->buffers());
    release_input();
  }
  if (registry_ != nullptr && slot_ >= 0) registry_->close(slot_);
}

std::size_t Connection::scatter(std::uint64_t bytes_max, std::span<iovec> out) {
  if (phase_ == Phase::kClosing) return 0;
  std::size_t used = 0;
  if (phase_ == Phase::kUpload && !upload_->draft.complete()) {
    const std::uint64_t limit = upload_->large ? std::min(bytes_max, upload_credit_) : bytes_max;
    if (limit == 0) return 0;
    DCHECK(!has_input());
    const std::uint64_t left = upload_->draft.value_bytes() - upload_->draft.filled_bytes();
    used = upload_->draft.scatter(std::min(limit, left), out.first(out.size() - 1));
    std::uint64_t covered = 0;
    for (const iovec& part : out.first(used)) covered += part.iov_len;
    if (covered < left || limit == left) return used;
  }
  if (input_ == nullptr) {
    input_ = worker->buffers().acquire();
    input_begin_ = input_end_ = 0;
    if (input_ == nullptr) return used;
  }
  const std::size_t room = BufferPool::kBufferBytes - input_end_;
  if (room > 0) out[used++] = {input_ + input_end_, room};
  return used;
}

void Connection::received(std::uint64_t bytes) {
  worker->note_received(bytes);
  if (phase_ == Phase::kUpload) {
    const std::uint64_t left = upload_->draft.value_bytes() - upload_->draft.filled_bytes();
    const std::uint64_t body = std::min(bytes, left);
    upload_->draft.filled(body);
    upload_credit_ -= std::min(upload_credit_, body);
    bytes -= body;
  }
  input_end_ += static_cast<std::uint32_t>(bytes);
  DCHECK(input_end_ <= BufferPool::kBufferBytes);
}

std::size_t Connection::gather(std::uint64_t bytes_max, std::span<iovec> out) {
  return out_.gather(bytes_max, out);
}

void Connection::sent(std::uint64_t bytes) {
  const bool had_large = out_.has_large();
  out_.sent(bytes, worker->buffers());
  worker->note_sent(*this, bytes, had_large && !out_.has_large());
}

void Connection::detached() {
  worker->connection_detached(*this);
}

void Connection::compact_input() {
  if (input_ == nullptr) return;
  if (input_begin_ == input_end_) {
    release_input();
    return;
  }
  // Only what is left of a command that is not whole yet: moving it is cheap, and leaves the room
  // that the longest inline command needs.
  if (input_begin_ == 0 || input_end_ < BufferPool::kBufferBytes / 2) return;
  std::memmove(input_, input_ + input_begin_, input_end_ - input_begin_);
  input_end_ -= input_begin_;
  input_begin_ = 0;
}

bool Connection::wants_input() const {
  if (phase_ == Phase::kClosing || peer_done) return false;
  if (phase_ == Phase::kUpload && !upload_->draft.complete()) return !upload_->large;
  return input_ == nullptr || input_end_ < BufferPool::kBufferBytes;
}

bool Connection::large_ready() const {
  if (out_.has_large()) return route_.writable;
  return phase_ == Phase::kUpload && upload_->large && !upload_->draft.complete() &&
         route_.readable;
}

bool Connection::has_reply_room() {
  return out_.reserve(kReplyRoomBytes, worker->buffers()) != nullptr;
}

void Connection::reply(std::string_view bytes) {
  if (!out_.append(bytes, worker->buffers())) begin_closing();
}

char* Connection::reserve_reply(std::size_t bytes) {
  return out_.reserve(bytes, worker->buffers());
}

void Connection::begin_upload(std::unique_ptr<Upload> upload) {
  upload_ = std::move(upload);
  upload_credit_ = 0;
  phase_ = Phase::kUpload;
}

void Connection::begin_swallow(std::uint64_t bytes) {
  swallow_bytes_ = bytes;
  phase_ = Phase::kSwallow;
}

bool Connection::advance_body() {
  if (phase_ == Phase::kSwallow) {
    const std::uint64_t n = std::min<std::uint64_t>(swallow_bytes_, input_end_ - input_begin_);
    input_begin_ += static_cast<std::uint32_t>(n);
    swallow_bytes_ -= n;
    if (swallow_bytes_ == 0) phase_ = Phase::kCommand;
    return swallow_bytes_ == 0;
  }
  ItemDraft& draft = upload_->draft;
  iovec part[8];
  while (!draft.complete() && has_input()) {
    const std::size_t parts = draft.scatter(input_end_ - input_begin_, part);
    for (const iovec& to : std::span(part).first(parts)) {
      std::memcpy(to.iov_base, input_ + input_begin_, to.iov_len);
      input_begin_ += static_cast<std::uint32_t>(to.iov_len);
      draft.filled(to.iov_len);
    }
  }
  return draft.complete() && input_end_ - input_begin_ >= 2;
}

bool Connection::body_terminated() const {
  return input_[input_begin_] == '\r' && input_[input_begin_ + 1] == '\n';
}

std::unique_ptr<Upload> Connection::finish_upload() {
  input_begin_ += 2;
  phase_ = Phase::kCommand;
  return std::move(upload_);
}

void Connection::note_command(UnixSeconds now) {
  if (slot_ >= 0) registry_->note_command(slot_, now);
}

void Connection::release_input() {
  if (input_ == nullptr) return;
  worker->buffers().release(input_);
  input_ = nullptr;
  input_begin_ = input_end_ = 0;
}

}  // namespace minos
