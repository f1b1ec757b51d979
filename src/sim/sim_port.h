#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "sim/cost_book.h"
#include "sim/sim_network.h"
#include "wire/packet.h"
#include "worker/step_observer.h"

namespace minos {

// What a port tells of hand-offs: who is given what wakes.
class HandOffs {
 public:
  virtual ~HandOffs() = default;
  // Something is in the ring of `to` from `at` on.
  virtual void handed_to(CoreId to, Picos at) = 0;
};

// One virtual core's way to the network, and its meter: what the worker does goes through here, or
// is observed, and the core's clock goes on by what it costs. So a reply leaves when the core has
// come as far, and not at the end of the step: requests taken together are as requests one after
// the other.
class SimPort final : public DatagramPort, public StepObserver {
 public:
  // All outlive it.
  SimPort(std::uint16_t core, SimNetwork& network, const CostBook& costs, SimRecorder& recorder,
          HandOffs& hand_offs, std::vector<std::uint16_t>& last_receiver);

  // Around a step: `begin` before its packets are received, `end` after it. True: it did anything.
  // A core that `dispatches` passes on what it receives, and looks into nothing.
  void begin(Picos now, bool dispatches);
  bool end();
  // What is received from here on is taken from other cores' queues.
  void steal_next() { stealing_next_ = true; }

  const CoreClock& clock() const { return clock_; }
  // Waits for work, in vain, until then.
  void idle_until(Picos until) {
    if (until > clock_.now) clock_.spend(SimActivity::kPoll, until - clock_.now);
  }
  // The way out was full in this step.
  bool refused() const { return refused_; }
  void count(SimCore& core) const;

  void receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
               std::uint32_t& full) override;
  char* room(const Peer& peer) override;
  void commit(std::size_t bytes) override;
  bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) override;
  KeptPacket keep(const RxPacket& packet) override;
  void flush() override {}

  void handing_off(const PacketMessage& message, CoreId to) override;
  void took(const PacketMessage& message) override;
  void stealing(std::uint32_t requests) override;

 private:
  // A packet of this step, received or taken from a ring.
  struct Packet {
    PacketBuffer* buffer = nullptr;  // of a received one
    std::uint32_t request_id = 0;
    bool kept = false;    // whoever has it now gives the buffer back
    bool unread = false;  // its reception is not accounted for yet
    bool done = false;    // and all else is
  };

  Packet* settle_before(std::uint32_t request_id);
  void settle(Packet& packet, bool passed_on);
  void receive_from(const RxQueueQuota& quota, std::vector<RxPacket>& packets, std::uint32_t& full);
  void recycle();

  std::uint16_t core_;
  SimNetwork& network_;
  const CostBook& costs_;
  SimRecorder& recorder_;
  HandOffs& hand_offs_;
  std::vector<std::uint16_t>& last_receiver_;  // of each RX queue
  CoreClock clock_;
  Picos polled_ = 0;  // of this step: polling and the loop, before it is known what they brought
  bool worked_ = false;
  bool refused_ = false;
  bool stealing_next_ = false;
  bool dispatches_ = false;
  std::vector<Packet> packets_;
  std::size_t settled_ = 0;  // of them, from the first on
  std::array<char, kDatagramBytesMax> room_;

  std::uint64_t requests_ = 0;
  std::uint64_t large_requests_ = 0;
  std::uint64_t packets_in_ = 0;
  std::uint64_t packets_out_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace minos
