#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/intrusive_list.h"
#include "base/limits.h"
#include "base/units.h"
#include "store/kv_store.h"
#include "wire/memcache_text.h"
#include "wire/stream.h"
#include "worker/connection_registry.h"
#include "worker/memory_wait.h"
#include "worker/output_queue.h"

namespace minos {

class Worker;

// A large value on its way in: its body is received straight into the store.
struct Upload {
  StoreMode mode = StoreMode::kSet;
  bool noreply = false;
  bool large = false;  // received by the quantum
  std::uint64_t cas = 0;
  ItemDraft draft;
};

struct AllTag {};
struct RunTag {};
struct DirtyTag {};
struct LargeTag {};
struct StarvedTag {};

// One client connection: what was received and not yet executed, what is to be sent, and where in
// the protocol it stands. Owned by one worker at a time; moves between workers whole, through
// rings.
//
// Invariants:
//  1. Commands execute and replies leave in the order of the stream.
//  2. While a large value waits to be sent, nothing further is executed.
//  3. An idle connection holds no buffer.
class Connection final : public Stream,
                         public ListHook<AllTag>,
                         public ListHook<RunTag>,
                         public ListHook<DirtyTag>,
                         public ListHook<LargeTag>,
                         public ListHook<StarvedTag> {
 public:
  enum class Phase : std::uint8_t {
    kCommand,  // the next bytes are a command line (or an inline body after it)
    kUpload,   // they are the body of a large value
    kSwallow,  // they are a refused body
    kClosing,  // they do not matter; close once the output is sent
  };

  // `slot` names the connection in the registry (stats conns); -1: in none.
  Connection(int handle, std::uint64_t item_bytes_max, ConnectionRegistry* registry, int slot);
  ~Connection() override;

  // Stream.
  std::size_t scatter(std::uint64_t bytes_max, std::span<iovec> out) override;
  void received(std::uint64_t bytes) override;
  std::size_t gather(std::uint64_t bytes_max, std::span<iovec> out) override;
  void sent(std::uint64_t bytes) override;
  void detached() override;

  // Input that was received and not consumed yet. Views into it stay valid until consume_to().
  std::string_view input(std::size_t from) const {
    return input_ == nullptr ? std::string_view()
                             : std::string_view(input_ + from, input_end_ - from);
  }
  std::size_t input_begin() const { return input_begin_; }
  bool has_input() const { return input_end_ > input_begin_; }
  // Input before `offset` is done with.
  void consume_to(std::size_t offset) { input_begin_ = static_cast<std::uint32_t>(offset); }
  // Gives the buffer back when it is empty; otherwise makes room at its end.
  void compact_input();

  // May commands be executed now?
  bool runnable() const {
    return phase_ != Phase::kClosing && !out_.has_large() && out_.bytes() <= kStreamOutputBytesMax;
  }
  bool wants_input() const;
  // Work of the large kind that can go on now.
  bool large_ready() const;
  bool large_pending() const { return out_.has_large() || (upload_ && upload_->large); }

  // Makes sure of a buffer for kReplyRoomBytes of replies; false when there is none now.
  static constexpr std::size_t kReplyRoomBytes = 512;
  bool has_reply_room();
  // Replies. One that is longer than the room and finds no buffer cannot be completed: the
  // connection closes.
  void reply(std::string_view bytes);
  // nullptr when there is no buffer.
  char* reserve_reply(std::size_t bytes);
  void wrote_reply(std::size_t bytes) { out_.wrote(bytes); }
  OutputQueue& output() { return out_; }

  void begin_upload(std::unique_ptr<Upload> upload);
  void begin_swallow(std::uint64_t bytes);
  // Moves input into the draft, or discards it; true when the phase came to its end.
  bool advance_body();
  bool body_terminated() const;  // two more bytes are there
  Upload& upload() { return *upload_; }
  std::unique_ptr<Upload> finish_upload();
  void begin_closing() { phase_ = Phase::kClosing; }
  void grant_upload(std::uint64_t bytes) { upload_credit_ = bytes; }

  Phase phase() const { return phase_; }
  TextParser parser;

  Worker* worker = nullptr;  // the owner; null while on a ring
  Nanos last_active{0};      // when bytes last moved, either way
  CoreId home;               // where it belongs when no large value keeps it elsewhere
  CoreId moving_to;          // after detached(), when moving
  bool moving = false;
  bool closing_now = false;           // Tx::close was asked
  bool peer_done = false;             // end of stream was received
  bool errand = false;                // moved to have its next command executed away from home
  bool came_back = false;             // to its dispatcher, with commands that wait there
  bool cut = false;                   // commands of this burst were put back
  bool starving = false;              // for want of a buffer
  MemoryWait memory_wait;             // of a write
  std::unique_ptr<Upload> reserving;  // of a command put back until all its memory is reserved
  // When its oldest unserved input was noticed; 0: what it has is no whole command.
  Nanos ready_at{0};
  Nanos large_placed{0};   // when the large value under way was given to this core
  Nanos large_started{0};  // its first quantum; 0: none yet
  std::uint64_t large_value_bytes = 0;

  void note_command(UnixSeconds now);
  int registry_slot() const { return slot_; }

 private:
  void release_input();

  Phase phase_ = Phase::kCommand;
  char* input_ = nullptr;  // a pool buffer
  std::uint32_t input_begin_ = 0;
  std::uint32_t input_end_ = 0;
  std::uint64_t swallow_bytes_ = 0;
  std::uint64_t upload_credit_ = 0;
  std::unique_ptr<Upload> upload_;
  OutputQueue out_;
  ConnectionRegistry* registry_;
  int slot_;
};

}  // namespace minos
