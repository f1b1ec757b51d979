#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "wire/ready_list.h"
#include "wire/stream.h"

namespace minos {

// A stream transport in memory: what a client wrote is what the worker receives, in pieces as large
// as the test says. Deterministic; one per worker; no socket, thread or clock.
class FakeNetwork {
 public:
  // The client's end of one connection. Shared by the networks of all workers, so that it stays
  // when its connection moves.
  struct Peer {
    std::string to_server;
    std::string from_server;
    std::uint64_t segment_bytes = ~std::uint64_t{0};  // most that one receive delivers
    std::uint64_t window_bytes = ~std::uint64_t{0};   // most that may still be sent to it
    bool ended = false;                               // wrote all that it will
    bool reset = false;
    bool closed_by_server = false;
    Stream* stream = nullptr;
    FakeNetwork* owner = nullptr;  // the worker's network that it is attached to
  };

  explicit FakeNetwork(std::vector<std::unique_ptr<Peer>>& peers) : peers_(peers) {}

  void receive(const RxPlan& plan, Rx& rx);
  void send(Tx& tx);
  // Would receive() report something, or find out that there is something to report?
  bool has_work(const RxPlan& plan) const;

 private:
  Peer& peer_of(const Stream& stream) const {
    return *peers_[static_cast<std::size_t>(stream.route().handle)];
  }
  void read(Stream& stream, std::uint64_t bytes_max, Rx& rx);
  void flush(Stream& stream, std::uint64_t bytes_max);

  std::vector<std::unique_ptr<Peer>>& peers_;
  ReadyList ready_;
};

}  // namespace minos
