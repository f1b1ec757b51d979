#include "datagrams/fake_channel.h"

#include <utility>

#include "base/check.h"

namespace minos {

void FakeChannel::send(std::span<const OutDatagram> datagrams) {
  for (const OutDatagram& out : datagrams) {
    CHECK(out.queue.value < server_.datagrams().queues());
    CHECK(out.bytes() <= kDatagramBytesMax);
    Peer peer = peer_;
    peer.queue = out.queue;
    std::string bytes(out.front.data(), out.front_bytes);
    bytes += out.payload;
    server_.datagrams().send(peer, bytes);
  }
}

void FakeChannel::receive(std::vector<InDatagram>& datagrams) {
  given_.clear();
  std::deque<FakeDatagrams::Packet> others;
  for (FakeDatagrams::Packet& packet : std::exchange(server_.datagrams().to_clients, {})) {
    (packet.peer.same_client(peer_) ? given_ : others).push_back(std::move(packet));
  }
  server_.datagrams().to_clients = std::move(others);
  for (const auto& [peer, bytes] : given_) datagrams.push_back({peer.queue, bytes});
}

void FakeChannel::wait(Nanos timeout) {
  CHECK(server_.run());
  for (const FakeDatagrams::Packet& packet : server_.datagrams().to_clients) {
    if (packet.peer.same_client(peer_)) return;
  }
  now_ += timeout;
  server_.advance(timeout);
}

}  // namespace minos
