#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "transport/udp/udp_address.h"
#include "transport/udp/udp_counters.h"
#include "transport/udp/udp_queues.h"
#include "transport/udp/udp_refusals.h"
#include "wire/packet.h"

namespace minos {

// The sending half of a UdpPort: a list of messages in the order in which they were asked for, each
// a datagram or a train of datagrams of one size to one peer, which the kernel cuts (UDP_SEGMENT).
// It is handed out by flush(), or before when it is full. What the kernel does not take stays, as
// copies, and is tried again by the next flush(); meanwhile nothing is gathered, but small replies
// still have their own room. All memory is used from its start again once the list is empty. Used
// by one thread.
class UdpSender {
 public:
  UdpSender(const UdpQueues& queues, bool trains, UdpCounters& counters);

  // As of DatagramPort.
  char* room(const Peer& peer);
  void commit(std::size_t bytes);
  bool gather(const Peer& peer, std::string_view front, std::span<const iovec> parts);
  void flush();

  // Is there something that the kernel did not take?
  bool has_unsent() const { return sent_ != used_; }

 private:
  enum class Kind : std::uint8_t { kSmall, kGathered, kCopied };

  struct Message {
    UdpAddress to;
    // First the address that it comes from, where that is ours to say; then the train's segments.
    alignas(
        cmsghdr) char control[CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(std::uint16_t))];
    std::size_t local_bytes;  // of the first
    iovec small;              // of a small reply
    Peer peer;
    Kind kind;
    bool closed;  // nothing may join it: its last datagram is shorter, or it is no train's
    bool cut;     // to be sent datagram by datagram
    std::uint16_t segments;
    std::size_t segment_bytes;  // of every datagram but the last
    std::size_t refused_bytes;  // of one that is cut: the smallest segments that would be refused
    std::size_t bytes;
    std::size_t sent_bytes;  // of one that is cut
  };

  Message* last_to(const Peer& peer, Kind kind, std::size_t bytes);
  void add(const Peer& peer, Kind kind, std::size_t bytes, iovec* parts);
  void extend(Message& message, std::size_t bytes);
  void say_local(Message& message, msghdr& header) const;
  bool has_room_to_gather(std::size_t bytes, std::size_t front_bytes, std::size_t parts) const;
  void append_parts(std::string_view front, std::span<const iovec> parts);
  bool send_all();
  std::size_t run_length() const;
  void note_sent(std::size_t messages);
  void note_refused(int error);
  bool send_cut(Message& message);
  void copy_gathered();
  void reset();

  const UdpQueues& queues_;
  UdpCounters& counters_;
  const bool trains_;
  UdpRefusals refusals_;
  std::vector<Message> messages_;
  std::vector<mmsghdr> headers_;  // of messages_
  std::size_t used_ = 0;          // messages
  std::size_t sent_ = 0;          // the first of these
  std::size_t small_used_ = 0;    // messages that are small replies
  std::unique_ptr<char[]> smalls_;
  std::size_t smalls_bytes_ = 0;
  Peer room_peer_;  // of the last room()
  std::vector<iovec> parts_;
  std::size_t parts_used_ = 0;
  std::unique_ptr<char[]> fronts_;
  std::size_t fronts_bytes_ = 0;
  std::size_t gathered_bytes_ = 0;
  std::unique_ptr<char[]> copies_;
  bool holds_copies_ = false;
};

}  // namespace minos
