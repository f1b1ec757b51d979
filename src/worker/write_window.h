#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "base/intrusive_list.h"
#include "base/limits.h"
#include "base/units.h"
#include "wire/datagram.h"
#include "wire/packet.h"

namespace minos {

class KvStore;

// What a write came to.
struct WriteOutcome {
  DatagramStatus status = DatagramStatus::kOk;
  std::uint64_t number = 0;  // cas id, or what incr and decr made of it
  friend bool operator==(const WriteOutcome&, const WriteOutcome&) = default;
};

// The last writes that clients sent to one RX queue, with what they came to, so that a repeated one
// is answered and not executed again (docs/PROTOCOL.md, Retries). Any thread: whichever core drains
// the queue, in whatever order. A client that has been silent for kWriteMemory gives way to a new
// one when there is no room.
class WriteWindow {
 public:
  // Where a write that is under way is noted.
  struct Ticket {
    std::uint32_t client = 0;
    WriteId id;
  };

  struct Entry {
    enum class Kind : std::uint8_t {
      kNew,      // execute it, then finish() or forget()
      kRunning,  // `owner` is at it
      kDone,     // it came to `outcome`
      kStale,    // so old that its client has an answer: not to be executed, nor answered
      kFull,     // no room for another client
    };
    Kind kind = Kind::kFull;
    CoreId owner;
    WriteOutcome outcome;
    Ticket ticket;  // of kNew and kRunning
  };

  // Charges what it takes to the store's memory limit; the store outlives it.
  explicit WriteWindow(KvStore& store) : store_(store) {}
  ~WriteWindow();
  WriteWindow(const WriteWindow&) = delete;
  WriteWindow& operator=(const WriteWindow&) = delete;

  // A write arrived; a new one is noted as `owner`'s.
  Entry begin(const Peer& peer, WriteId id, CoreId owner, Nanos now);
  // The owner says what it came to. No-op when the client has been forgotten meanwhile.
  void finish(const Ticket& ticket, const WriteOutcome& outcome);
  // It was not executed: a repeat is a new write.
  void forget(const Ticket& ticket);

  std::size_t clients() const;

 private:
  struct RecentTag;
  struct Slot {
    enum class State : std::uint8_t { kFree, kRunning, kDone };
    WriteOutcome outcome;
    std::uint32_t number = 0;
    CoreId owner;
    State state = State::kFree;
  };
  struct Client : ListHook<RecentTag> {
    // Number n is in slot n % kWriteWindow: of any two numbers within the window each has its own.
    std::array<Slot, kWriteWindow> slots{};
    std::uint32_t newest = 0;  // number seen of this session
    std::uint32_t session = 0;
    std::optional<std::uint32_t> session_before;
    std::uint32_t index = 0;
    Peer peer;
    Nanos active{0};

    void start(std::uint32_t new_session, std::uint32_t number) {
      slots.fill({});
      session = new_session;
      newest = number;
    }
  };
  struct PeerHash {
    std::size_t operator()(const Peer& peer) const;
  };
  struct SameClient {
    bool operator()(const Peer& a, const Peer& b) const { return a.same_client(b); }
  };

  static constexpr std::uint32_t kClientsPerBlock = 16;

  Client* find_or_add(const Peer& peer, WriteId id, Nanos now);
  Client* unused(Nanos now);
  bool add_block();
  Client& client(std::uint32_t index) const {
    return (*blocks_[index / kClientsPerBlock])[index % kClientsPerBlock];
  }
  Slot* slot_of(const Ticket& ticket) const;

  using Block = std::array<Client, kClientsPerBlock>;

  KvStore& store_;
  mutable std::mutex mutex_;  // guards all below
  std::unordered_map<Peer, Client*, PeerHash, SameClient> by_peer_;
  std::vector<std::unique_ptr<Block>> blocks_;
  IntrusiveList<Client, RecentTag> recent_;  // the longest silent first
  std::vector<Client*> free_;
};

}  // namespace minos
