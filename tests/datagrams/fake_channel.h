#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "client/datagram_channel.h"
#include "worker/testing/fake_server.h"

namespace minos {

// A client's way to the workers of a FakeServer: nothing is lost, and time passes only while the
// client waits.
class FakeChannel final : public DatagramChannel {
 public:
  FakeChannel(FakeServer& server, std::uint16_t port, std::uint32_t window_bytes = 0)
      : server_(server), window_bytes_(window_bytes) {
    peer_.port = port;
  }

  void send(std::span<const OutDatagram> datagrams) override;
  void receive(std::vector<InDatagram>& datagrams) override;
  // Runs the server until it comes to rest; then, if it had nothing to say, lets `timeout` pass.
  void wait(Nanos timeout) override;
  std::uint32_t window_bytes() const override { return window_bytes_; }

  Nanos now() const { return now_; }

 private:
  FakeServer& server_;
  Peer peer_;
  std::uint32_t window_bytes_;
  Nanos now_ =
      millis(1);  // the client's: clocks of two machines have nothing to do with each other
  std::deque<FakeDatagrams::Packet> given_;
};

}  // namespace minos
