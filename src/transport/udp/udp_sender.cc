#include "transport/udp/udp_sender.h"

#include <netinet/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/check.h"

namespace minos {

namespace {

constexpr std::size_t kSmallMax = 256;  // replies made in place
constexpr std::size_t kGatheredMax = 192;
constexpr std::size_t kPartsMax = 1024;
constexpr std::size_t kFrontsBytesMax = 64 * kKiB;
constexpr std::size_t kGatheredBytesMax = 256 * kKiB;
// What the kernel takes as one message: 64 KiB with headers, and so many datagrams.
constexpr std::size_t kTrainBytesMax = 65'000;
constexpr std::uint16_t kTrainSegmentsMax = 64;
static_assert(kGatheredBytesMax >= kTrainBytesMax + kDatagramBytesMax);
static_assert(kPartsMax >= kTrainSegmentsMax * (kDatagramPartsMax + 1));
static_assert(kPartsMax <= 1024, "the kernel's UIO_MAXIOV");
static_assert(kFrontsBytesMax >= kDatagramBytesMax);

// Whether these datagrams may be taken later; all other errors are for good.
bool is_for_now(int error) {
  return error == EAGAIN || error == EINTR;
}

// May the way to this peer take one by one what it refused as a train? EMSGSIZE is of segments
// above its MTU, which the kernel fragments when they are alone; older kernels call that
// EINVAL. EIO is of a network card that computes no checksums, or of IPsec.
bool is_about_trains(int error) {
  return error == EMSGSIZE || error == EINVAL || error == EIO;
}

void write_option(cmsghdr* option, int level, int type, const auto& value) {
  option->cmsg_level = level;
  option->cmsg_type = type;
  option->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(option), &value, sizeof value);
}

// Entries of `out` for so many bytes of `whole`, from `offset` on.
std::size_t slice(std::span<const iovec> whole, std::size_t offset, std::size_t bytes,
                  std::span<iovec> out) {
  std::size_t used = 0;
  for (const iovec& part : whole) {
    if (bytes == 0) break;
    if (offset >= part.iov_len) {
      offset -= part.iov_len;
      continue;
    }
    const std::size_t taken = std::min(bytes, part.iov_len - offset);
    out[used++] = {static_cast<char*>(part.iov_base) + offset, taken};
    bytes -= taken;
    offset = 0;
  }
  return used;
}

}  // namespace

UdpSender::UdpSender(const UdpQueues& queues, bool trains, UdpCounters& counters)
    : queues_(queues),
      counters_(counters),
      trains_(trains),
      messages_(kSmallMax + kGatheredMax),
      headers_(kSmallMax + kGatheredMax),
      smalls_(std::make_unique_for_overwrite<char[]>(kSmallMax * kDatagramBytesMax)),
      parts_(kPartsMax),
      fronts_(std::make_unique_for_overwrite<char[]>(kFrontsBytesMax)),
      copies_(std::make_unique_for_overwrite<char[]>(kGatheredBytesMax)) {}

char* UdpSender::room(const Peer& peer) {
  const bool is_full =
      small_used_ == kSmallMax || smalls_bytes_ + kDatagramBytesMax > kSmallMax * kDatagramBytesMax;
  if (is_full && !send_all()) {
    counters_.tx_full.add(1);
    return nullptr;
  }
  room_peer_ = peer;
  return smalls_.get() + smalls_bytes_;
}

void UdpSender::commit(std::size_t bytes) {
  DCHECK(bytes <= kDatagramBytesMax);
  if (bytes == 0) return;
  char* const start = smalls_.get() + smalls_bytes_;
  smalls_bytes_ += bytes;
  if (Message* message = last_to(room_peer_, Kind::kSmall, bytes); message != nullptr) {
    message->small.iov_len += bytes;
    extend(*message, bytes);
    return;
  }
  Message& message = messages_[used_];
  message.small = {start, bytes};
  add(room_peer_, Kind::kSmall, bytes, &message.small);
  headers_[used_ - 1].msg_hdr.msg_iovlen = 1;
  ++small_used_;
}

bool UdpSender::gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) {
  CHECK(parts.size() <= kDatagramPartsMax);
  std::size_t bytes = front.size();
  for (const iovec& part : parts) bytes += part.iov_len;
  DCHECK(bytes <= kDatagramBytesMax);
  const auto has_room = [&] { return has_room_to_gather(bytes, front.size(), parts.size() + 1); };
  if (holds_copies_ || (!has_room() && !send_all())) {
    counters_.tx_full.add(1);
    return false;
  }
  if (Message* message = last_to(peer, Kind::kGathered, bytes); message != nullptr) {
    extend(*message, bytes);
  } else {
    add(peer, Kind::kGathered, bytes, parts_.data() + parts_used_);
  }
  append_parts(front, parts);
  gathered_bytes_ += bytes;
  return true;
}

bool UdpSender::has_room_to_gather(std::size_t bytes, std::size_t front_bytes,
                                   std::size_t parts) const {
  return used_ - small_used_ < kGatheredMax && parts_used_ + parts <= kPartsMax &&
         fronts_bytes_ + front_bytes <= kFrontsBytesMax &&
         gathered_bytes_ + bytes <= kGatheredBytesMax;
}

// The last message, if a datagram of so many bytes can join it.
UdpSender::Message* UdpSender::last_to(const Peer& peer, Kind kind, std::size_t bytes) {
  if (!trains_ || used_ == sent_ || bytes == 0) return nullptr;
  Message& last = messages_[used_ - 1];
  const bool can_join = last.kind == kind && !last.closed && !last.cut &&
                        last.segments < kTrainSegmentsMax && bytes <= last.segment_bytes &&
                        last.bytes + bytes <= kTrainBytesMax && last.peer.same_client(peer) &&
                        last.peer.queue == peer.queue && last.peer.local == peer.local;
  return can_join ? &last : nullptr;
}

void UdpSender::add(const Peer& peer, Kind kind, std::size_t bytes, iovec* parts) {
  Message& message = messages_[used_];
  set_address(message.to, peer, queues_.is_ipv6());
  message.peer = peer;
  message.kind = kind;
  message.closed = refusals_.covers(peer, bytes);
  message.cut = false;
  message.segments = 1;
  message.segment_bytes = bytes;
  message.bytes = bytes;
  message.sent_bytes = 0;
  msghdr& header = headers_[used_].msg_hdr;
  header = {};
  header.msg_name = &message.to;
  header.msg_namelen = address_bytes(queues_.is_ipv6());
  header.msg_iov = parts;
  message.local_bytes = 0;
  if (peer.local != 0) say_local(message, header);
  ++used_;
}

void UdpSender::extend(Message& message, std::size_t bytes) {
  msghdr& header = headers_[used_ - 1].msg_hdr;
  if (message.segments == 1) {
    header.msg_control = message.control;
    header.msg_controllen = message.local_bytes + CMSG_SPACE(sizeof(std::uint16_t));
    auto* const option = reinterpret_cast<cmsghdr*>(message.control + message.local_bytes);
    write_option(option, SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(message.segment_bytes));
  }
  ++message.segments;
  message.bytes += bytes;
  message.closed = bytes < message.segment_bytes;
}

void UdpSender::say_local(Message& message, msghdr& header) const {
  const UdpLocals::Address& local = queues_.locals().address_of(message.peer.local);
  auto* const option = reinterpret_cast<cmsghdr*>(message.control);
  if (queues_.is_ipv6()) {
    in6_pktinfo from{};
    std::memcpy(&from.ipi6_addr, local.data(), local.size());
    // A link-local address is one of an interface: the one that the client is at.
    from.ipi6_ifindex = message.peer.scope;
    write_option(option, IPPROTO_IPV6, IPV6_PKTINFO, from);
    message.local_bytes = CMSG_SPACE(sizeof from);
  } else {
    in_pktinfo from{};
    std::memcpy(&from.ipi_spec_dst, local.data(), sizeof from.ipi_spec_dst);
    write_option(option, IPPROTO_IP, IP_PKTINFO, from);
    message.local_bytes = CMSG_SPACE(sizeof from);
  }
  header.msg_control = message.control;
  header.msg_controllen = message.local_bytes;
}

// To the last message.
void UdpSender::append_parts(std::string_view front, std::span<const iovec> parts) {
  const std::size_t first = parts_used_;
  if (!front.empty()) {
    char* const copy = fronts_.get() + fronts_bytes_;
    std::memcpy(copy, front.data(), front.size());
    fronts_bytes_ += front.size();
    parts_[parts_used_++] = {copy, front.size()};
  }
  for (const iovec& part : parts) parts_[parts_used_++] = part;
  headers_[used_ - 1].msg_hdr.msg_iovlen += parts_used_ - first;
}

void UdpSender::flush() {
  if (!send_all()) copy_gathered();
}

// False when the kernel would not take everything now.
bool UdpSender::send_all() {
  while (sent_ < used_) {
    Message& message = messages_[sent_];
    if (message.cut) {
      if (!send_cut(message)) return false;
      ++sent_;
      continue;
    }
    const int taken = ::sendmmsg(queues_.socket(message.peer.queue), &headers_[sent_],
                                 static_cast<unsigned>(run_length()), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken > 0) {
      note_sent(static_cast<std::size_t>(taken));
    } else if (is_for_now(errno)) {
      return false;
    } else {
      note_refused(errno);
    }
  }
  reset();
  return true;
}

// Messages from the first unsent one on that go through the same socket.
std::size_t UdpSender::run_length() const {
  const QueueId queue = messages_[sent_].peer.queue;
  std::size_t end = sent_ + 1;
  while (end < used_ && messages_[end].peer.queue == queue && !messages_[end].cut) ++end;
  return end - sent_;
}

void UdpSender::note_sent(std::size_t messages) {
  std::uint64_t datagrams = 0;
  for (std::size_t i = 0; i < messages; ++i) datagrams += messages_[sent_ + i].segments;
  counters_.packets_out.add(datagrams);
  counters_.batches_out.add(1);
  sent_ += messages;
}

// Of the first unsent message.
void UdpSender::note_refused(int error) {
  Message& message = messages_[sent_];
  if (message.segments > 1 && is_about_trains(error)) {
    message.refused_bytes = error == EMSGSIZE ? message.segment_bytes : 0;
    message.cut = true;
    return;
  }
  counters_.send_errors.add(message.segments);
  ++sent_;
}

// Datagram by datagram. False when the kernel would not take all now.
bool UdpSender::send_cut(Message& message) {
  const std::size_t index = static_cast<std::size_t>(&message - messages_.data());
  msghdr header = headers_[index].msg_hdr;
  const std::span<const iovec> whole(header.msg_iov, header.msg_iovlen);
  header.msg_control = message.local_bytes == 0 ? nullptr : message.control;
  header.msg_controllen = message.local_bytes;
  while (message.sent_bytes < message.bytes) {
    std::array<iovec, kDatagramPartsMax + 1> parts;
    const std::size_t bytes = std::min(message.segment_bytes, message.bytes - message.sent_bytes);
    header.msg_iov = parts.data();
    header.msg_iovlen = slice(whole, message.sent_bytes, bytes, parts);
    if (::sendmsg(queues_.socket(message.peer.queue), &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
      counters_.packets_out.add(1);
      counters_.batches_out.add(1);
      // Not before: a message that is refused in any form, such as one to port 0, says nothing
      // about trains to its host.
      if (message.sent_bytes == 0) refusals_.add(message.peer, message.refused_bytes);
    } else if (is_for_now(errno)) {
      return false;
    } else {
      counters_.send_errors.add(1);
    }
    message.sent_bytes += bytes;
  }
  return true;
}

// Who gathered takes the memory back after flush().
void UdpSender::copy_gathered() {
  // While there are copies nothing more is gathered, so that they are made once.
  if (holds_copies_) return;
  char* at = copies_.get();
  for (std::size_t i = sent_; i < used_; ++i) {
    if (messages_[i].kind != Kind::kGathered) continue;
    msghdr& header = headers_[i].msg_hdr;
    const std::span<const iovec> parts(header.msg_iov, header.msg_iovlen);
    char* const start = at;
    for (const iovec& part : parts) {
      if (part.iov_len != 0) std::memcpy(at, part.iov_base, part.iov_len);
      at += part.iov_len;
    }
    // The first of its entries holds it all.
    *header.msg_iov = {start, messages_[i].bytes};
    header.msg_iovlen = 1;
    messages_[i].kind = Kind::kCopied;
    holds_copies_ = true;
  }
}

void UdpSender::reset() {
  used_ = sent_ = small_used_ = 0;
  smalls_bytes_ = parts_used_ = fronts_bytes_ = gathered_bytes_ = 0;
  holds_copies_ = false;
}

}  // namespace minos
