#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/intrusive_list.h"
#include "base/limits.h"
#include "base/units.h"
#include "sharding/policy.h"
#include "store/kv_store.h"
#include "wire/memcache_text.h"
#include "wire/stream.h"
#include "worker/buffer_pool.h"
#include "worker/connection.h"
#include "worker/datagram_engine.h"
#include "worker/waker.h"
#include "worker/worker_context.h"

namespace minos {

inline constexpr Nanos kIdleCheckEvery = std::chrono::seconds(1);
// Connections that found no buffer try again so much later.
inline constexpr Nanos kStarvedWait = millis(1);

// What one step did, in numbers: for statistics and for a simulator's cost model.
struct StepReport {
  std::uint32_t hand_offs_in = 0;
  std::uint32_t connections_run = 0;
  std::uint32_t requests = 0;
  std::uint32_t large_started = 0;
  std::uint64_t quantum_bytes = 0;  // granted
  std::uint32_t maintained = 0;     // records of background work in the store
  bool shutdown = false;            // a client asked for it, and may
  friend bool operator==(const StepReport&, const StepReport&) = default;
};

// One core of the server: executes what streams and datagrams bring, in steps of bounded work. No
// clock, thread or socket of its own: the same worker runs under a pinned thread and in virtual
// time. Everything is called by one thread at a time.
//
// A step serves at most kBurstRequestsMax small requests and starts at most one quantum of large
// work; the transport does the quantum's bytes as the step's Tx (or the next RxPlan) says.
class Worker {
 public:
  Worker(const WorkerConfig& config, const WorkerShared& shared, WorkerStats& stats);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // What to receive before the next step; `block` is 0 while there is work at hand.
  RxPlan rx_plan() const;
  StepReport step(Now now, const Rx& rx, Tx& tx);

  // Cores that sleep and were given work since the last call: to be woken.
  Waker::Cores take_wakes() { return waker_.take(); }
  bool has_wakes() const { return waker_.any(); }

  // Around a receive() that blocks: false when it must not, since work arrived meanwhile or others
  // are to be woken; a step follows.
  bool prepare_sleep();
  void awake();

  // For Connection, on behalf of the transport.
  BufferPool& buffers() { return buffers_; }
  void note_received(std::uint64_t bytes) {
    stats_.add(Counter::kReads);
    stats_.add(Counter::kBytesRead, bytes);
  }
  void note_sent(Connection& connection, std::uint64_t bytes, bool large_done);
  void connection_detached(Connection& connection);

 private:
  // A command of the burst: parsed, placed in no queue yet.
  struct Pending {
    Connection* connection;
    TextParse parse;
    TextParser parser_before;
    TextParser parser_after;
    std::size_t input_at;            // where it starts
    std::size_t input_after;         // where the next one does
    std::optional<StoreMode> store;  // of a command that carries a value
    std::string_view body;           // of an inline one, with its \r\n
    std::uint64_t key_hash;          // 0 without a key
  };
  struct Running {
    Connection* connection;
    bool exhausted;  // its input holds no further whole command
  };
  enum class Parsed : std::uint8_t {
    kNeedMore,
    kOne,
    kLast,  // and what follows is not to be parsed before it was executed
  };

  // step, phase by phase.
  void adopt_plan();
  void take_hand_offs();
  void take_events(const Rx& rx);
  void run_burst();
  void give_away();
  void close_idle();
  void close_if_idle(Connection& connection);
  bool checks_idle() const { return config_.idle_timeout != Nanos(0) || has_uploads_; }
  bool is_datagrams_turn();
  Connection* pick_large();
  void respond(const Connection* granted);
  void run_large_quantum(Connection& connection);
  void run_datagram_quantum();

  // run_burst.
  bool parse_connection(Connection& connection);
  Parsed parse_one(Connection& connection, std::size_t& from, TextParser& parser);
  void execute_pending();
  bool moves_before(const Pending& pending);
  void settle(Connection& connection, bool exhausted);
  void put_back(const Pending& pending);
  void put_back_starving(const Pending& pending);
  void offer_to_idle();

  // worker_handoff.cc.
  bool dispatches() const;
  bool runs_guests() const;
  void dispatch_ready();
  void note_return(Connection& connection, bool came_back);
  std::uint32_t read_ahead() const;
  void note_idle();
  bool idle_awaited() const;

  // Commands; commands_*.cc.
  void execute(Pending& pending);
  void execute_error(Pending& pending);
  void retrieve(Pending& pending);
  void send_inline(Pending& pending, const ItemRef& item, char* room);
  void send_large(Pending& pending, const ItemRef& item, char* room);
  std::size_t write_header(const TextCommand& command, const ItemRef& item, char* to) const;
  void store_inline(Pending& pending);
  void store_large(Pending& pending);
  bool finish_upload(Connection& connection);
  bool try_again_later(Pending& pending, StoreStatus status);
  void reply_store(Connection& connection, StoreMode mode, StoreStatus status, bool noreply);
  void arith(Pending& pending);
  void remove(Pending& pending);
  void touch(Pending& pending);
  void flush_all(Pending& pending);
  void set_verbosity(Pending& pending);
  void show_stats(Pending& pending);
  void shut_down(Pending& pending);
  Placement place(RequestKind kind, std::uint64_t key_hash, std::uint64_t value_bytes) const;

  // Connections.
  void own(std::unique_ptr<Connection> owned);
  void leave_queues(Connection& connection);
  bool belongs_here(const Connection& connection) const;
  void starve(Connection& connection);
  void feed_starved();
  void hand_off(Connection& connection, CoreId to);
  void queue_large(Connection& connection);
  void push_outbox();
  void close(Connection& connection);
  void go_home(Connection& connection);
  CoreId small_core_near(CoreId wanted);
  LoadFacts load_facts() const;
  // Statistics.
  void record_wait(ReportClass report_class, Nanos since, Nanos until);
  void note_served(const Connection& connection, std::uint64_t value_bytes);
  void place_large(Connection& connection, std::uint64_t value_bytes);
  void finish_large(Connection& connection);

  WorkerConfig config_;
  KvStore& store_;
  StoreCore& core_;
  Mesh& mesh_;
  PlanBoard& plans_;
  const Policy& policy_;
  const Clock& clock_;
  StatsSource& stats_source_;
  WorkerStats& stats_;
  BufferPool buffers_;

  const CorePlan* plan_;
  Now now_;
  Tx* tx_ = nullptr;  // of the step under way
  StepReport report_;
  std::uint32_t rx_backlog_ = 0;
  std::uint32_t datagram_requests_ = 0;  // of the step under way
  std::uint32_t served_since_quantum_ = 0;
  std::uint32_t maintain_due_ = 0;
  std::size_t waiting_ = 0;         // of run_queue_: until a worker is idle (see dispatch_ready())
  std::size_t came_back_ = 0;       // connections that came_back
  std::size_t give_away_left_ = 0;  // connections to look at since this core became large
  std::size_t idle_left_ = 0;       // connections to look at since the last tick of idle_checked_
  Nanos idle_checked_{0};
  bool has_uploads_ = false;      // may be: known for sure after a look at all connections
  bool uploads_refused_ = false;  // between the last two ticks of idle_checked_
  std::uint64_t drafts_refused_ = 0;
  Nanos starved_until_{0};  // when those of starved_ try again
  bool asleep_ = false;
  std::uint16_t next_small_core_ = 0;

  IntrusiveList<Connection, AllTag> all_;
  IntrusiveList<Connection, RunTag> run_queue_;      // may have commands to execute
  IntrusiveList<Connection, DirtyTag> dirty_;        // have replies to send
  IntrusiveList<Connection, LargeTag> large_queue_;  // can use a quantum now
  IntrusiveList<Connection, StarvedTag> starved_;    // found no buffer
  std::vector<std::unique_ptr<Connection>> outbox_;  // their ring was full
  Connection* large_rx_ = nullptr;                   // granted a receiving quantum

  std::vector<Pending> pending_;
  std::vector<Running> running_;
  Nanos burst_start_{0};
  std::array<std::uint32_t, kReportClasses> served_{};  // in this burst
  std::string scratch_;
  Waker waker_;
  std::unique_ptr<DatagramEngine> datagrams_;  // where there are planes
  bool datagrams_next_ = false;                // to have a quantum, when streams want one as well
};

}  // namespace minos
