#include "transport/udp/udp_refusals.h"

#include <algorithm>
#include <string_view>

#include "base/hash.h"

namespace minos {

UdpRefusals::UdpRefusals() : hosts_(kHostsMax) {}

void UdpRefusals::add(const Peer& peer, std::size_t segment_bytes) {
  Host& host = slot_of(peer);
  const std::size_t least =
      host.is(peer) ? std::min(host.segment_bytes, segment_bytes) : segment_bytes;
  host = {peer.address, peer.scope, kDatagramsApart, least};
  empty_ = false;
}

bool UdpRefusals::covers(const Peer& peer, std::size_t bytes) {
  if (empty_) return false;
  Host& host = slot_of(peer);
  if (!host.is(peer) || bytes < host.segment_bytes) return false;
  --host.apart;
  return true;
}

UdpRefusals::Host& UdpRefusals::slot_of(const Peer& peer) {
  const auto* const bytes = reinterpret_cast<const char*>(peer.address.data());
  return hosts_[hash_key({bytes, peer.address.size()}) % kHostsMax];
}

}  // namespace minos
