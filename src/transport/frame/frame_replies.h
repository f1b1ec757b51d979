#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.h"
#include "base/histogram.h"
#include "transport/frame/frame.h"

namespace minos {

// What one worker's port to frames did, on any plane; any thread reads.
struct FrameCounters {
  SharedCounter received;                          // datagrams for us
  std::array<SharedCounter, kFrameDrops> dropped;  // by FrameDrop
  SharedCounter no_room;                           // small replies that found none
  SharedCounter unsendable;                        // to a peer that is no IPv4 address
  SharedCounter not_kept;                          // packets that keep() had to refuse
};

// The sending half of a DatagramPort that sends whole frames. `Tx` has Kind::kSmall and kLarge,
// room(kind), where to write a frame or null, and commit(frame bytes). Used by one thread.
template <typename Tx>
class FrameReplies {
 public:
  // Large replies leave by `large`, which may be `small`. All outlive this.
  FrameReplies(const FrameSelf& self, FrameCounters& counters, Tx& small, Tx& large)
      : base_port_(self.base_port),
        writer_(self.mac, self.address),
        counters_(counters),
        small_(small),
        large_(large) {}

  // As DatagramPort's.
  char* room(const Peer& peer) {
    if (!is_ipv4(peer)) [[unlikely]] {
      counters_.unsendable.add(1);
      return nullptr;
    }
    room_ = small_.room(Tx::Kind::kSmall);
    if (room_ == nullptr) [[unlikely]] {
      counters_.no_room.add(1);
      return nullptr;
    }
    room_peer_ = peer;
    return room_ + kFrameFrontBytes;
  }

  void commit(std::size_t bytes) {
    CHECK(room_ != nullptr && bytes <= kDatagramBytesMax);
    finish(small_, room_, room_peer_, bytes);
    room_ = nullptr;
  }

  bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) {
    if (!is_ipv4(peer)) [[unlikely]] {
      // True: later it would not go either.
      counters_.unsendable.add(1);
      return true;
    }
    char* const frame = large_.room(Tx::Kind::kLarge);
    if (frame == nullptr) return false;  // tried again: nothing is lost
    finish(large_, frame, peer, write_payload(frame + kFrameFrontBytes, front, parts));
    return true;
  }

 private:
  void finish(Tx& tx, char* frame, const Peer& peer, std::size_t payload_bytes) {
    const auto port = static_cast<std::uint16_t>(base_port_ + peer.queue.value);
    writer_.write(frame, peer, port, payload_bytes);
    tx.commit(kFrameFrontBytes + payload_bytes);
  }

  const std::uint16_t base_port_;
  const FrameWriter writer_;
  FrameCounters& counters_;
  Tx& small_;
  Tx& large_;
  char* room_ = nullptr;  // where the frame of room() starts
  Peer room_peer_;
};

}  // namespace minos
