#pragma once

#include <cstdint>
#include <vector>

#include "base/units.h"
#include "sim/bounded_fifo.h"
#include "sim/packet_pool.h"
#include "sim/recorder.h"
#include "sim/request_table.h"
#include "sim/sim_link.h"
#include "sim/workload.h"
#include "wire/packet.h"
#include "worker/address_token.h"

namespace minos {

// Clients, the wire, and the server's RX queues: what is under way outside of the cores. A packet
// is a number and an offset until a core receives it; then its bytes are made. One owner.
class SimNetwork {
 public:
  struct Waiting {
    std::uint32_t request_id = 0;
    std::uint32_t offset = 0;  // of a SET's fragment in its value
  };

  SimNetwork(const SimOptions& options, const SimWorkload& workload, const AddressTokens& tokens,
             std::uint16_t queues, SimRecorder& recorder);

  // A client's NIC begins to send a request; when its packets come, ingress_at() says. False: they
  // are there.
  bool send(SimRequest& request, Picos now);
  // When the packet that is on the wire will have arrived; kNever: there is none.
  Picos ingress_at() const { return ingress_at_; }
  // It has arrived; the queue where it waits now, or where it was lost.
  QueueId arrive(Picos now);

  // Makes the bytes of a packet that a core receives.
  RxPacket make(const Waiting& waiting, PacketBuffer& buffer) const;

  BoundedFifo<Waiting>& rx(QueueId queue) { return rx_[queue.value]; }
  std::uint16_t queues() const { return static_cast<std::uint16_t>(rx_.size()); }
  RequestTable& requests() { return requests_; }
  PacketPool& pool() { return pool_; }
  TxLink& out() { return out_; }
  Picos in_busy() const { return in_busy_; }

  // A reply was written, all of it or a fragment.
  void reply(std::uint16_t core, SimRequest& request, Picos ready, std::uint32_t datagram_bytes,
             std::uint32_t value_bytes);
  void lose(SimRequest& request);

 private:
  struct Client {
    Peer peer;
    std::uint64_t token = 0;
    std::vector<std::uint32_t> writes;  // so far, to each queue
  };
  struct Outgoing {
    std::uint32_t request_id = 0;
    std::uint32_t next_offset = 0;
  };

  bool paced(const SimRequest& request) const;
  void start_next(Picos now);
  void start_machines(Picos now);
  void deliver(const Waiting& waiting);
  void sent(const TxLink::Packet& packet, Picos at);
  std::uint32_t datagram_bytes(const SimRequest& request, std::uint32_t offset) const;

  const SimWorkload& workload_;
  SimRecorder& recorder_;
  WireSpeed speed_;         // of the link to the server
  WireSpeed client_speed_;  // of a machine's NIC, where the link is without limit
  bool ideal_;
  Picos wire_both_ways_;
  std::vector<Client> clients_;
  std::vector<BoundedFifo<Outgoing>> machines_;  // NICs of clients; the last: of short requests
  std::vector<Picos> machine_sent_;  // when the packet that its NIC is sending will have arrived
  std::size_t next_machine_ = 0;
  std::size_t sending_ = 0;  // whose packet is on the wire
  Picos ingress_at_ = kNever;
  Picos in_busy_ = 0;
  std::vector<BoundedFifo<Waiting>> rx_;
  RequestTable requests_;
  PacketPool pool_;
  TxLink out_;
};

}  // namespace minos
