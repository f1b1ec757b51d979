#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/units.h"
#include "wire/packet.h"

// The seam between workers and stream transports (TCP, UNIX sockets, a simulated network). A
// transport moves bytes into and out of Streams; what the bytes mean is the worker's business.
namespace minos {

// One connection, as a transport sees it. Owned by one worker at a time; every call is made by the
// thread of that worker.
class Stream {
 public:
  // The transport's own record of a connection. Workers only read the two readiness flags.
  struct Route {
    int handle = -1;          // file descriptor, or the index of a simulated peer
    bool readable = false;    // bytes (or end of stream) may be waiting
    bool writable = true;     // the last send was taken whole, or readiness was reported since
    bool queued = false;      // in the transport's list of streams to read
    bool ending = false;      // an end of stream or an error waits behind what is readable
    std::int32_t event = -1;  // its place in the Rx that is being filled
  };

  virtual ~Stream() = default;

  // Memory for received bytes, at most bytes_max of it; returns entries of `out` used. 0: takes
  // nothing now, and the worker calls Tx::resume when that changes.
  virtual std::size_t scatter(std::uint64_t bytes_max, std::span<iovec> out) = 0;
  virtual void received(std::uint64_t bytes) = 0;

  // Bytes to send, at most bytes_max of them, in order; returns entries of `out` used.
  virtual std::size_t gather(std::uint64_t bytes_max, std::span<iovec> out) = 0;
  virtual void sent(std::uint64_t bytes) = 0;

  // The transport has let go of the stream, as Tx::detach or Tx::close asked. The object may be
  // gone when this returns.
  virtual void detached() = 0;

  const Route& route() const { return route_; }
  // For transports only. Of a stream that is attached to none only the handle says anything.
  Route& transport_route() { return route_; }
  void reset_route() { route_ = Route{.handle = route_.handle}; }

 protected:
  Route route_;
};

// How much a transport should receive before the next step.
struct RxPlan {
  std::uint32_t streams_max = 0;  // streams to read from
  Nanos block{0};                 // wait this long for the first event; negative: without end
  Stream* large = nullptr;        // one stream that receives a large value: read it too,
  std::uint64_t large_bytes = 0;  // at most this much
  // RX queues of every datagram plane to receive from, with a quota of 1 and more; a receive() that
  // blocks waits for these. Valid until the next step.
  std::span<const RxQueueQuota> queues;
  // Looked at only when none of these gave anything, in this order until one does, and never waited
  // for.
  std::span<const RxQueueQuota> steal_queues;
  // Only in planes that are polled: in others each look is a system call.
  bool steal_polled_only = false;
};

struct RxEvent {
  enum Flags : std::uint8_t {
    kBytes = 1,     // received() was called
    kPending = 2,   // readable, but scatter() took nothing
    kWritable = 4,  // was not, and is again
    kEnd = 8,       // the peer will send no more
    kBroken = 16,   // reset: nothing can be sent either
  };
  Stream* stream = nullptr;
  std::uint8_t flags = 0;
};

struct Rx {
  Nanos arrived{0};             // when the events were taken from the transport
  std::uint32_t backlog = 0;    // streams known to be readable but not read yet
  std::vector<RxEvent> events;  // each stream at most once
  std::vector<RxPacket> packets;
  std::uint32_t queues_full = 0;   // that gave as many packets as they were asked for
  std::uint32_t queues_empty = 0;  // that were asked and gave none
  bool stolen = false;             // `packets` are from RxPlan::steal_queues
  void clear() {
    events.clear();
    backlog = 0;
    packets.clear();
    queues_full = 0;
    queues_empty = 0;
    stolen = false;
  }

  // For transports: merges into the stream's event, if it has one already; then, when all are in,
  // forgets where each stream's event is.
  void add(Stream& stream, std::uint8_t flags) {
    Stream::Route& route = stream.transport_route();
    if (route.event < 0) {
      route.event = static_cast<std::int32_t>(events.size());
      events.push_back({&stream, 0});
    }
    events[static_cast<std::size_t>(route.event)].flags |= flags;
  }
  void finish() {
    for (const RxEvent& event : events) event.stream->transport_route().event = -1;
  }
};

// What a step wants done, in order. Capacity grows to the working set and stays.
struct Tx {
  struct Action {
    enum class Kind : std::uint8_t { kAttach, kResume, kFlush, kDetach, kClose };
    Kind kind;
    Stream* stream;
    std::uint64_t bytes_max;
    bool more = false;  // of a flush: what follows these bytes is flushed soon
  };
  std::vector<Action> actions;

  void attach(Stream& s) { actions.push_back({Action::Kind::kAttach, &s, 0}); }
  void resume(Stream& s) { actions.push_back({Action::Kind::kResume, &s, 0}); }
  void flush(Stream& s, std::uint64_t bytes_max, bool more = false) {
    actions.push_back({Action::Kind::kFlush, &s, bytes_max, more});
  }
  void detach(Stream& s) { actions.push_back({Action::Kind::kDetach, &s, 0}); }
  void close(Stream& s) { actions.push_back({Action::Kind::kClose, &s, 0}); }
  void clear() { actions.clear(); }
};

}  // namespace minos
