#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/intrusive_list.h"
#include "base/limits.h"
#include "base/prng.h"
#include "base/units.h"
#include "client/datagram_channel.h"
#include "client/session_slot.h"
#include "client/status.h"
#include "client/timer_wheel.h"

namespace minos {

struct SessionOptions {
  // Of choice of queues, first ids, jitter, and the session's number, by which a server knows that
  // this is not who had the address before: to be drawn anew each time.
  std::uint64_t seed = 0;
  std::uint32_t requests_max = 1024;  // on their way or waiting; at most 65535
  Nanos timeout = std::chrono::seconds(1);
  // The first retry, a quarter more or less, doubled for each that follows; up to four times as
  // late when replies take so long, and later still when retries turn out to have been needless.
  Nanos retry_after = millis(10);
  Nanos retry_after_max = millis(250);
  // A large value has as much longer than `timeout` as it takes at this rate.
  std::uint64_t bytes_per_second_min = 16 * kMiB;
  // Of values that may be on their way to this client at a time, divided among the large ones; 0:
  // each is asked for at once.
  std::uint32_t window_bytes = 0;
  std::uint32_t value_bytes_max = kItemBytesMax;
  std::uint64_t buffered_bytes_max = kGiB;  // of large values that are being received, together
  std::uint16_t datagram_bytes_max = kDatagramBytesMax;  // at least 600
};

// Views must be readable until the request's completion; the key is copied.
struct SessionRequest {
  DatagramOp op = DatagramOp::kNoop;
  std::string_view key;
  std::string_view value;  // of multi-get the keys as the protocol has them, of stats the argument
  std::uint32_t flags = 0;
  std::uint32_t expiry = 0;
  std::uint64_t number = 0;  // cas, delta
  std::uint64_t tag = 0;     // comes back with the completion
  Nanos timeout{0};          // 0: that of the options
};

struct Completion {
  std::uint64_t tag = 0;
  ClientStatus status = ClientStatus::kOk;
  bool maybe_executed = false;  // of a write without an answer
  std::uint32_t flags = 0;
  std::uint64_t number = 0;  // cas, or what incr and decr made of it
  // A value that came in one datagram lies there; `large` holds any other. Of multi-get the
  // entries, in any order; of stats the text; of an error what the server says.
  std::string_view small{};
  std::string large{};

  std::string_view value() const { return large.empty() ? small : large; }
};

struct SessionCounters {
  std::uint64_t sent = 0;  // datagrams
  std::uint64_t received = 0;
  std::uint64_t garbage = 0;  // no reply, or one that breaks the rules
  std::uint64_t late = 0;     // replies that nothing waits for: duplicates mostly
  std::uint64_t retries = 0;
  std::uint64_t refused = 0;   // busy
  std::uint64_t restarts = 0;  // of values that changed
};

// The client's side of docs/PROTOCOL.md without socket, clock or thread: requests and received
// datagrams go in, datagrams to send and completions come out. Deterministic under its seed. One
// owner. A token is learned, and a server's number of queues, before the first request goes out.
//
// 1. Every request that was taken has one completion, at the latest with the advance() after its
//    deadline, whatever arrives.
// 2. A write is never sent under a second id: the server executes it at most once.
// 3. Requests are not ordered among each other.
// 4. A small request allocates nothing once the completions have grown.
class DatagramSession {
 public:
  explicit DatagramSession(const SessionOptions& options);
  ~DatagramSession();
  DatagramSession(const DatagramSession&) = delete;
  DatagramSession& operator=(const DatagramSession&) = delete;

  // kTooMany or kInvalid, and then nothing is to be expected of it.
  std::expected<void, ClientStatus> submit(const SessionRequest& request, Nanos now);

  // Fills `out`; returns how many. 0: nothing to send for now. The payloads are those of requests:
  // send them before anything else is called.
  std::size_t take_datagrams(std::span<OutDatagram> out, Nanos now);

  // Any bytes are fine.
  void receive(const InDatagram& datagram, Nanos now);

  // Retries and gives up on what is due.
  void advance(Nanos now);
  // When advance() is due; Nanos::max() for never.
  Nanos next_timer() const { return timers_.next(); }

  // To be taken from, and cleared, before the memory of what was received is reused.
  std::vector<Completion>& completions() { return completions_; }

  std::uint32_t outstanding() const { return outstanding_; }
  std::uint32_t queues() const { return queues_; }
  const SessionCounters& counters() const { return counters_; }

 private:
  using Slot = SessionSlot;
  using StateList = IntrusiveList<Slot, StateTag>;
  struct Queue {
    std::uint32_t next_number = 0;                  // of a write
    IntrusiveList<Slot, UnansweredTag> unanswered;  // writes, the oldest first
    StateList waiting;

    bool has_room() {
      return unanswered.empty() || next_number - unanswered.front().write_number < kWriteWindow;
    }
  };

  // datagram_session.cc
  ClientStatus check(const SessionRequest& request) const;
  void start(Slot& slot, Nanos now);
  void start_write(Slot& slot, Nanos now);
  void new_read_id(Slot& slot);
  void to_send(Slot& slot);
  void to_wait(Slot& slot, Slot::State state, StateList& list);
  void leave_list(Slot& slot);
  void say_hello(Nanos now);
  void proven(Nanos now);
  void release_writes(Queue& queue, Nanos now);
  void on_timer(Slot& slot, Nanos now);
  void arm_retry(Slot& slot, Nanos now);
  void await(Slot& slot, Nanos now);
  void answered(const Slot& slot, Nanos now);
  void resend(Slot& slot);
  void finish(Slot& slot, Completion completion, Nanos now);
  void give_up(Slot& slot, Nanos now);

  // session_send.cc
  enum class Left : std::uint8_t { kNothing, kLast, kMore };
  Left next_datagram(Slot& slot, OutDatagram& out);
  Left next_fragment(Slot& slot, OutDatagram& out);
  Left next_ask(Slot& slot, OutDatagram& out);
  void write_request(Slot& slot, OutDatagram& out);
  Datagram front_of(Slot& slot) const;

  // session_receive.cc
  Slot* addressee(const InDatagram& datagram, const DatagramHeader& header);
  void on_reply(Slot& slot, const Datagram& reply, Nanos now);
  void on_token(Slot& slot, Nanos now);
  void on_busy(Slot& slot, Nanos now);
  void on_missing(Slot& slot, const Datagram& reply, Nanos now);
  void on_value(Slot& slot, const Datagram& reply, Nanos now);
  void on_entries(Slot& slot, const Datagram& reply, Nanos now);
  void begin_value(Slot& slot, const Datagram& first, Nanos now);
  void drop_value(Slot& slot);
  void start_over(Slot& slot, Nanos now);
  void progress(Slot& slot, Nanos now);
  std::uint32_t window() const;
  Nanos time_for(std::uint64_t bytes) const;

  SessionOptions options_;
  Prng prng_;
  const std::uint32_t session_;
  std::uint32_t slot_mask_;
  std::unique_ptr<Slot[]> slots_;  // the first is the session's own, for its hello
  Slot& hello_;
  StateList free_;
  StateList waits_for_token_;
  StateList to_send_;
  std::unique_ptr<Queue[]> by_queue_;
  TimerWheel<Slot> timers_;
  std::vector<Completion> completions_;
  SessionCounters counters_;
  std::uint64_t token_ = 0;
  std::uint64_t buffered_bytes_ = 0;
  std::uint32_t outstanding_ = 0;
  std::uint32_t queues_ = 1;
  Nanos round_trip_{0};  // of late, and how far from that they were
  Nanos deviation_{0};
  // Factor of what to wait before a retry. A reply that nobody waits for any more says that a
  // request was under way when it was sent again: retries must not add to what a server that is
  // behind has to do. It grows where more than nine of ten retries turn out like that, so that
  // what a network duplicates does not count, and no retry counts twice.
  static constexpr double kPatienceMax = 5;
  static constexpr double kPatienceOfLate = 1.25;
  static constexpr double kPatienceOfRetry = 0.818;  // kPatienceOfLate to the power of -9/10
  static constexpr double kPatienceOfFirst = 0.995;  // answered without a retry
  void change_patience(double factor) {
    patience_ = std::clamp(patience_ * factor, 1.0, kPatienceMax);
  }
  static constexpr std::uint32_t kUnjudgedMax = 64;
  double patience_ = 1;
  std::uint32_t unjudged_ = 0;  // retries, of late, that may still turn out needless
  std::uint32_t large_ = 0;     // values that are being received
  bool proven_ = false;         // the server takes our token
};

}  // namespace minos
