#pragma once

#include <array>
#include <memory>
#include <vector>

#include "client/backend.h"
#include "client/datagram_channel.h"

namespace minos {

// The datagram protocol over any channel.
class DatagramBackend final : public Backend {
 public:
  // The window of the options is that of the channel.
  DatagramBackend(std::unique_ptr<DatagramChannel> channel, SessionOptions options);

  std::expected<void, ClientError> start(const SessionRequest& request) override;
  void poll(Nanos timeout, std::vector<Completion>& done) override;
  std::uint32_t outstanding() const override { return session_.outstanding(); }
  bool has_multi_get() const override { return true; }

 private:
  void send(Nanos now);
  void receive(Nanos now);

  std::unique_ptr<DatagramChannel> channel_;
  DatagramSession session_;
  std::array<OutDatagram, 128> out_;
  std::vector<InDatagram> in_;
};

}  // namespace minos
