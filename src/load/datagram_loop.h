#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/units.h"
#include "client/datagram_channel.h"
#include "client/datagram_session.h"
#include "load/key_space.h"
#include "load/load_loop.h"

namespace minos {

using DatagramChannels = std::vector<std::unique_ptr<DatagramChannel>>;

// Opens the channels of one load thread, each with a source address of its own; the error is a
// sentence. They may share the memory of what they receive: a channel is asked for more only when
// nobody looks any more at what any of the thread's has received.
using OpenChannels = std::function<std::expected<DatagramChannels, std::string>(
    std::uint32_t thread, std::uint32_t count)>;

// The channels of one load thread, with a DatagramSession for each. A round sends all that is due,
// a batch at a time, and receives once from each channel that waits for something.
class DatagramLoop final : public LoadLoop {
 public:
  struct Options {
    bool verify = false;
    Nanos timeout{0};  // of a small request, and of a server that says nothing at all
    // Outstanding on a connection, 1 to 65535.
    std::uint32_t requests_max = 1024;
    // Of the sessions. Not the same in two runs: a server remembers the writes of a client for
    // minutes, and would answer those of another run that has the same ids, instead of executing.
    std::uint64_t seed = 0;
    std::string server;  // for messages
    std::function<Nanos()> clock = monotonic_now;
  };

  // At least one channel. `keys` outlives the loop.
  DatagramLoop(DatagramChannels channels, const KeySpace& keys, const Options& options);

  std::uint32_t connections() const override {
    return static_cast<std::uint32_t>(connections_.size());
  }
  std::uint64_t outstanding() const override { return outstanding_; }
  std::uint64_t outstanding_on(std::uint32_t connection) const override {
    return connections_[connection].session->outstanding();
  }
  bool has_room(std::uint32_t connection) const override {
    return connections_[connection].session->outstanding() < options_.requests_max;
  }
  bool preload_room(std::uint32_t connection) const override;

  void push(std::uint32_t connection, const LoadRequest& request, Nanos scheduled,
            Nanos now) override;
  void flush() override;
  void poll(Nanos wait, std::vector<Arrived>& out) override;
  void check_silence(Nanos now) override;

  const std::string& failure() const override { return failure_; }
  std::string first_refusal() const override { return first_refusal_; }
  std::uint64_t bytes_in() const override { return bytes_in_; }
  std::uint64_t bytes_out() const override { return bytes_out_; }
  std::optional<SessionCounters> datagrams() const override;

 private:
  struct Connection {
    std::unique_ptr<DatagramChannel> channel;
    std::unique_ptr<DatagramSession> session;
    Nanos heard{0};   // the later of the last datagram received and the oldest request's sending
    Nanos looked{0};  // the last time that nothing had arrived
    Nanos timers{0};  // where they are: behind the clock while there is more to receive
    std::uint64_t value_bytes = 0;  // of outstanding SETs
  };
  struct Outstanding {
    LoadRequest request;
    Nanos scheduled;
  };

  void wait_for_any(Nanos wait);
  void receive(std::uint32_t index, std::vector<Arrived>& out);
  void finish(std::uint32_t index, const Completion& completion, Nanos at,
              std::vector<Arrived>& out);
  ReplyStatus status_of(const LoadRequest& request, const Completion& completion);
  void note_refusal(const Completion& completion);
  void fail_silent(std::uint32_t index);

  const KeySpace& keys_;
  const Options options_;
  std::vector<Connection> connections_;
  std::vector<Outstanding> requests_;  // by the tag that the session is given
  std::vector<std::uint32_t> free_;    // of those
  std::vector<OutDatagram> batch_;
  std::vector<InDatagram> received_;
  bool more_to_send_ = false;
  std::uint32_t next_waited_ = 0;
  std::uint64_t outstanding_ = 0;
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
  std::string failure_;
  std::string first_refusal_;
};

}  // namespace minos
