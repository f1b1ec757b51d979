#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/prng.h"
#include "base/units.h"
#include "client/datagram_channel.h"

namespace minos::testing {

struct Faults {
  std::uint64_t seed = 1;
  double lost = 0;        // of datagrams, each way
  double duplicated = 0;  // sent once more, after another delay
  double delayed = 0;     // by up to delay_max on top of the usual delay: come out of order
  double held = 0;        // by up to held_max, as by a server's core that loses its CPU
  Nanos delay = micros(20);
  Nanos delay_max = millis(20);
  Nanos held_max = millis(500);
};

// Puts another channel behind a network with faults, both ways. Deterministic under its seed when
// the clock and the other channel are.
class LossyChannel final : public DatagramChannel {
 public:
  using Clock = std::function<Nanos()>;

  LossyChannel(DatagramChannel& inner, const Faults& faults, Clock clock)
      : inner_(inner), faults_(faults), clock_(std::move(clock)), prng_(faults.seed) {}

  void send(std::span<const OutDatagram> datagrams) override;
  void receive(std::vector<InDatagram>& datagrams) override;
  void wait(Nanos timeout) override;
  std::uint32_t window_bytes() const override { return inner_.window_bytes(); }

  // When the next datagram comes out of the network, in either direction; Nanos::max() for never.
  Nanos next_delivery() const;

 private:
  struct Held {
    QueueId queue;
    std::string bytes;
  };
  using Network = std::multimap<Nanos, Held>;

  Nanos up_to(Nanos longest);
  void put(Network& network, QueueId queue, const std::string& bytes);
  void forward();

  DatagramChannel& inner_;
  Faults faults_;
  Clock clock_;
  Prng prng_;
  Network out_;
  Network in_;
  std::vector<InDatagram> received_;
  std::vector<std::string> given_;
};

}  // namespace minos::testing
