#include "worker/testing/fake_network.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "base/check.h"
#include "base/limits.h"

namespace minos {

bool FakeNetwork::has_work(const RxPlan& plan) const {
  if (!ready_.empty() && plan.streams_max != 0) return true;
  for (const auto& peer : peers_) {
    if (peer->owner != this || peer->closed_by_server) continue;
    const Stream::Route& route = peer->stream->route();
    if (!route.readable && (!peer->to_server.empty() || (peer->ended && !route.ending)))
      return true;
    if (!route.writable && peer->window_bytes > 0) return true;
    if (peer->reset) return true;
  }
  return false;
}

void FakeNetwork::receive(const RxPlan& plan, Rx& rx) {
  rx.clear();
  for (const auto& peer : peers_) {
    if (peer->owner != this || peer->closed_by_server) continue;
    Stream& stream = *peer->stream;
    Stream::Route& route = stream.transport_route();
    if (peer->reset) {
      rx.add(stream, RxEvent::kBroken);
      continue;
    }
    if (!route.writable && peer->window_bytes > 0) {
      route.writable = true;
      rx.add(stream, RxEvent::kWritable);
    }
    const bool end = peer->ended && !route.ending;
    if (!route.readable && (!peer->to_server.empty() || end)) {
      route.readable = true;
      route.ending = peer->ended;
      ready_.push(stream);
    }
  }
  ready_.drain(plan, rx,
               [&](Stream& stream, std::uint64_t bytes_max) { read(stream, bytes_max, rx); });
  rx.finish();
}

void FakeNetwork::read(Stream& stream, std::uint64_t bytes_max, Rx& rx) {
  Peer& peer = peer_of(stream);
  Stream::Route& route = stream.transport_route();
  iovec parts[kIoVectorsMax];
  const std::size_t used = stream.scatter(bytes_max, parts);
  if (used == 0) return rx.add(stream, RxEvent::kPending);
  std::uint64_t moved = 0;
  std::uint64_t left = std::min<std::uint64_t>(peer.to_server.size(), peer.segment_bytes);
  std::uint64_t room = 0;
  for (const iovec& part : std::span(parts).first(used)) {
    const std::size_t n = std::min<std::uint64_t>(left, part.iov_len);
    std::memcpy(part.iov_base, peer.to_server.data() + moved, n);
    moved += n;
    left -= n;
    room += part.iov_len;
  }
  peer.to_server.erase(0, moved);
  if (moved > 0) {
    stream.received(moved);
    rx.add(stream, RxEvent::kBytes);
    route.readable = !peer.to_server.empty() || moved == room || peer.ended;
    if (route.readable) ready_.push(stream);
  } else {
    route.readable = false;
    rx.add(stream, peer.ended ? RxEvent::kEnd : RxEvent::kBytes);
  }
}

void FakeNetwork::send(Tx& tx) {
  using Kind = Tx::Action::Kind;
  for (const Tx::Action& action : tx.actions) {
    Stream& stream = *action.stream;
    Peer& peer = peer_of(stream);
    switch (action.kind) {
      case Kind::kAttach:
        peer.stream = &stream;
        peer.owner = this;
        break;
      case Kind::kResume:
        if (stream.route().readable) ready_.push(stream);
        break;
      case Kind::kFlush:
        flush(stream, action.bytes_max);
        break;
      case Kind::kDetach:
      case Kind::kClose:
        if (action.kind == Kind::kClose) peer.closed_by_server = true;
        ready_.remove(stream);
        peer.owner = nullptr;
        peer.stream = nullptr;
        stream.reset_route();
        stream.detached();
        break;
    }
  }
  tx.clear();
}

void FakeNetwork::flush(Stream& stream, std::uint64_t bytes_max) {
  Peer& peer = peer_of(stream);
  CHECK(peer.owner == this);
  while (bytes_max > 0 && stream.route().writable) {
    iovec parts[kIoVectorsMax];
    const std::size_t used = stream.gather(bytes_max, parts);
    if (used == 0) return;
    std::uint64_t taken = 0;
    bool full = false;
    for (const iovec& part : std::span(parts).first(used)) {
      const std::uint64_t n = std::min<std::uint64_t>(part.iov_len, peer.window_bytes);
      peer.from_server.append(static_cast<const char*>(part.iov_base), n);
      peer.window_bytes -= n;
      taken += n;
      full = n < part.iov_len;
      if (full) break;
    }
    if (full) stream.transport_route().writable = false;
    bytes_max -= taken;
    if (taken > 0) stream.sent(taken);
  }
}

}  // namespace minos
