#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/units.h"
#include "sharding/policy.h"
#include "store/kv_store.h"
#include "wire/datagram.h"
#include "wire/packet.h"
#include "worker/assembler.h"
#include "worker/datagram_shared.h"
#include "worker/memory_wait.h"
#include "worker/waker.h"
#include "worker/worker_context.h"

namespace minos {

// What one worker does with datagrams: executes those of its RX queues and those that other cores
// hand to it, puts values of several fragments together, and sends large replies by the quantum.
// docs/PROTOCOL.md. Called by its worker, phase by phase of a step.
class DatagramEngine {
 public:
  DatagramEngine(const WorkerConfig& config, const WorkerShared& shared, WorkerStats& stats,
                 BufferPool& buffers, Waker& waker);
  ~DatagramEngine();

  void adopt(const CorePlan& plan);

  // What to receive from, and what to look at when these and everything else gave nothing.
  std::span<const RxQueueQuota> rx_queues() const;
  std::span<const RxQueueQuota> steal_queues() const;
  // Requests are at hand, besides large replies.
  bool busy() const { return !shared_.received[config_.self.value].empty(); }
  // Requests wait for an idle worker.
  bool awaits_worker() const { return !dispatch_.empty(); }
  // Something was handed to this core and not taken yet.
  bool handed() const { return !shared_.mesh.empty(config_.self.value); }
  // How long a receive() may block at most while nothing is at hand; negative: without end.
  Nanos patience() const;

  // A step's phases, in this order. Each returns how many requests it executed.
  void begin(Now now, Nanos arrived);
  std::uint32_t take_hand_offs();
  std::uint32_t run(std::span<const RxPacket> packets, std::uint32_t queues_full);
  void go_on();

  std::uint32_t large_waiting() const { return static_cast<std::uint32_t>(large_.size()); }
  // Large replies that are to be sent to completion whatever waits.
  bool must_finish() const { return must_finish_; }
  // Sends a quantum of the large reply whose turn it is; returns the bytes of values.
  std::uint64_t send_quantum();
  // Instead, when this core may not.
  void pass_on_large();
  // May more requests wait in RX queues than were taken?
  std::uint32_t small_waiting() const { return small_waiting_; }

 private:
  bool may_receive() const;

  // A datagram to execute: one that was received, or one that another core kept.
  struct Incoming {
    const Peer* peer = nullptr;
    std::string_view bytes;
    const RxPacket* received = nullptr;  // or
    KeptPacket* kept = nullptr;
    bool fragment = false;  // handed to this core, where its value is put together
    bool placed = false;    // handed to this core, which was chosen, by one that has admitted it
  };
  struct Request {
    Incoming in;
    Datagram datagram;
    std::uint64_t key_hash = 0;
    std::uint64_t token = 0;         // for the reply
    const Lookup* lookup = nullptr;  // of a key; of a get with what was found
  };
  struct WaitingWrite {
    KeptPacket packet;
    WriteWindow::Ticket ticket;
    MemoryWait memory;
  };

  // datagram_engine.cc
  std::uint32_t run_batch(std::span<const Incoming> batch);
  bool admit(const Incoming& in, Request& request);
  void execute(Request& request);
  KeptPacket keep(const Incoming& in);
  bool forward(PacketMessage message, CoreId to);

  // datagram_sharing.cc
  void dispatch(std::span<const RxPacket> packets);
  void feed_workers();
  void wake_thief();
  std::uint32_t run_shared(std::span<const RxPacket> packets);
  std::uint32_t take_shared(StealQueue& queue);
  std::uint32_t steal();

  // datagram_read.cc
  void get(Request& request);
  void get_and_touch(Request& request);
  void send_item(Request& request, const ItemRef& item);
  void send_small(Request& request, const ItemRef& item, std::uint16_t fragment_bytes);
  void send_fragments(Request& request, const Datagram& front, std::string_view value,
                      std::uint64_t end);
  void send_large(Request& request, const ItemRef& item, const Datagram& front, std::uint64_t end);
  std::uint64_t send_fragments(LargeReply& reply, std::uint32_t packets_max);
  void multi_get(Request& request);
  void show_stats(Request& request);
  void finish_large(const LargeReply& reply);

  // datagram_write.cc
  void write(Request& request);
  void run_write(Request& request, const WriteWindow::Ticket& ticket);
  std::optional<WriteOutcome> execute_write(const Request& request, WaitingWrite& waiting);
  std::optional<WriteOutcome> store(const Request& request, WaitingWrite& waiting);
  std::optional<WriteOutcome> arith(const Request& request, WaitingWrite& waiting);
  std::optional<WriteOutcome> touch(const Request& request, WaitingWrite& waiting);
  void retry_waiting_writes();
  WriteOutcome outcome_of(StoreMode mode, StoreStatus status, std::string_view key,
                          std::uint64_t key_hash);

  // datagram_assembly.cc
  void write_fragment(Request& request);
  void take_fragment(Request& request, const WriteWindow::Ticket& ticket);
  void advance(Assembly& assembly);
  StoreStatus publish(Assembly& assembly, StoreMode mode);
  void conclude(Assembly& assembly, const WriteOutcome& outcome);
  void abandon(Assembly& assembly);
  void reply_missing(const Request& request, const Assembly& assembly);

  // Replies.
  DatagramPort& port(const Peer& peer) { return *config_.planes[peer.plane]; }
  Datagram reply_to(const Request& request, DatagramStatus status) const;
  void reply(const Peer& peer, const Datagram& front, std::string_view payload = {});
  void reply_status(const Request& request, DatagramStatus status, std::string_view payload = {});
  void reply_outcome(const Request& request, const WriteOutcome& outcome);
  void refuse(const Incoming& in, const DatagramError& error);

  WriteWindow& window(const Peer& peer) { return *shared_.windows[peer.queue.value]; }
  Placement place(RequestKind kind, std::uint64_t key_hash, std::uint64_t value_bytes) const;
  void note_served(std::uint64_t value_bytes);

  const WorkerConfig& config_;
  DatagramShared& shared_;
  KvStore& store_;
  StoreCore& core_;
  const Policy& policy_;
  const Clock& clock_;
  StatsSource& stats_source_;
  WorkerStats& stats_;
  Waker& waker_;
  Mesh& mesh_;
  TokenCache tokens_;
  Assembler assembler_;

  const CorePlan* plan_ = nullptr;
  bool dispatches_ = false;  // hands every request to a worker that is idle
  bool shares_ = false;      // lets idle cores have what it has received and not begun
  std::vector<RxQueueQuota> rx_queues_;
  std::vector<RxQueueQuota> steal_queues_;  // twice, one after the other
  std::size_t first_victim_ = 0;

  Now now_;
  Nanos arrived_{0};
  Nanos burst_start_{0};
  std::array<std::uint32_t, kReportClasses> served_{};  // in this batch
  std::uint32_t small_waiting_ = 0;
  bool must_finish_ = false;
  std::deque<LargeReply> large_;
  std::deque<KeptPacket> dispatch_;   // wait for an idle worker
  std::deque<WaitingWrite> waiting_;  // for memory
  std::vector<Assembly*> stuck_;      // for memory
  std::vector<PacketMessage> popped_;
  std::array<Request, kBurstRequestsMax> requests_;  // of the batch under way
  std::array<Lookup, kBurstRequestsMax> lookups_;
  std::array<Lookup, kMultiGetKeysMax> multi_get_;
  std::vector<std::unique_ptr<std::string>> texts_;  // being sent; until the next step
  std::uint64_t snapshots_ = 0;                      // of stats
};

// How the store is to treat the value of a request that carries one.
StoreMode store_mode_of(DatagramOp op);

}  // namespace minos
