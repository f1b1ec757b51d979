#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "client/datagram_session.h"
#include "client/testing/lossy_channel.h"
#include "client/testing/model_server.h"

namespace minos::testing {

// A model server at the other end of a channel, without any network in between.
class ModelChannel final : public DatagramChannel {
 public:
  ModelChannel(ModelServer& server, std::uint64_t client) : server_(server), client_(client) {}

  void send(std::span<const OutDatagram> datagrams) override {
    for (const OutDatagram& out : datagrams) {
      const std::string bytes =
          std::string(out.front.data(), out.front_bytes) + std::string(out.payload);
      server_.handle(out.queue.value, client_, bytes,
                     [&](std::string_view reply) { arrived_.emplace_back(out.queue, reply); });
    }
  }
  void receive(std::vector<InDatagram>& datagrams) override {
    given_.swap(arrived_);
    arrived_.clear();
    for (const auto& [queue, bytes] : given_) datagrams.push_back({queue, bytes});
  }
  void wait(Nanos /*timeout*/) override {}
  std::uint32_t window_bytes() const override { return 0; }
  bool empty() const { return arrived_.empty(); }

 private:
  ModelServer& server_;
  std::uint64_t client_;
  std::deque<std::pair<QueueId, std::string>> arrived_;
  std::deque<std::pair<QueueId, std::string>> given_;
};

// One session, a network with faults and a model server, in virtual time.
struct SessionWorld {
  SessionWorld(const SessionOptions& options, const ModelOptions& model, const Faults& faults)
      : server(model),
        direct(server, 7),
        network(direct, faults, [this] { return now; }),
        session(options) {}

  // Until `done()`, or until nothing would ever happen again. False for the latter.
  bool run(const std::function<void(Completion&)>& on_completion,
           const std::function<bool()>& done) {
    std::array<OutDatagram, 64> out;
    std::vector<InDatagram> in;
    while (!done()) {
      for (;;) {
        const std::size_t taken = session.take_datagrams(out, now);
        if (taken == 0) break;
        network.send(std::span(out).first(taken));
      }
      in.clear();
      network.receive(in);
      for (const InDatagram& datagram : in) session.receive(datagram, now);
      session.advance(now);
      std::vector<Completion> completions;
      completions.swap(session.completions());
      for (Completion& completion : completions) on_completion(completion);
      if (!in.empty() || !completions.empty()) continue;
      const Nanos next = std::min(session.next_timer(), network.next_delivery());
      if (next == Nanos::max()) return done();
      now = std::max(next, now + Nanos(1));
    }
    return true;
  }

  // One request alone.
  Completion call(const SessionRequest& request) {
    Completion out;
    out.status = ClientStatus::kConnection;
    if (const auto taken = session.submit(request, now); !taken) {
      out.status = taken.error();
      return out;
    }
    bool is_done = false;
    run(
        [&](Completion& completion) {
          if (completion.large.empty()) completion.large = std::string(completion.small);
          completion.small = {};
          out = std::move(completion);
          is_done = true;
        },
        [&] { return is_done; });
    return out;
  }

  Nanos now = millis(1);
  ModelServer server;
  ModelChannel direct;
  LossyChannel network;
  DatagramSession session;
};

}  // namespace minos::testing
