#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "wire/packet.h"

namespace minos {

// The hosts that the kernel sends no trains to, so that each train to them does not cost a system
// call that fails: those behind an MTU that its segments exceed, or an interface without checksums,
// or IPsec. By host, because the way to another may take trains. For a while, because ways change.
// A bounded table in which one host displaces another; who is forgotten costs a call. One thread.
class UdpRefusals {
 public:
  static constexpr std::size_t kHostsMax = 256;
  // How many datagrams go to a host one by one before a train is tried again.
  static constexpr std::uint32_t kDatagramsApart = 4096;

  UdpRefusals();

  // Trains to this host were refused whose segments have so many bytes; larger ones would be too.
  void add(const Peer& peer, std::size_t segment_bytes);

  // Is a datagram of so many bytes to go alone?
  bool covers(const Peer& peer, std::size_t bytes);

 private:
  struct Host {
    std::array<std::uint8_t, 16> address{};
    std::uint32_t scope = 0;
    std::uint32_t apart = 0;  // datagrams still to go alone; 0: nobody is here
    std::size_t segment_bytes = 0;

    bool is(const Peer& peer) const {
      return apart != 0 && address == peer.address && scope == peer.scope;
    }
  };

  Host& slot_of(const Peer& peer);

  std::vector<Host> hosts_;
  bool empty_ = true;  // as ever on most servers
};

}  // namespace minos
