#include "client/udp_channel.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace minos {
namespace {

constexpr std::size_t kMessagesMax = 32;
constexpr std::size_t kTrainDatagramsMax = 64;  // of the kernel
constexpr std::size_t kTrainBytesMax = 65'000;
constexpr std::size_t kMessageBytes = 64 * 1024;
constexpr int kRoomWaitMs = 10;
constexpr std::uint32_t kWindowBytesMin = 32 * 1024;
// The kernel counts a datagram of 1472 bytes as up to three times that, and one and a half windows
// may be on their way.
constexpr std::uint32_t kBufferPerWindow = 4;

std::uint16_t port_of(const sockaddr_storage& address) {
  return ntohs(address.ss_family == AF_INET6
                   ? reinterpret_cast<const sockaddr_in6&>(address).sin6_port
                   : reinterpret_cast<const sockaddr_in&>(address).sin_port);
}

void set_port(sockaddr_storage& address, std::uint16_t port) {
  if (address.ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  }
}

bool same_host(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family) return false;
  if (a.ss_family == AF_INET6) {
    return std::memcmp(&reinterpret_cast<const sockaddr_in6&>(a).sin6_addr,
                       &reinterpret_cast<const sockaddr_in6&>(b).sin6_addr, sizeof(in6_addr)) == 0;
  }
  return reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr ==
         reinterpret_cast<const sockaddr_in&>(b).sin_addr.s_addr;
}

}  // namespace

struct UdpChannel::SendBatch {
  using Control = std::array<char, CMSG_SPACE(sizeof(std::uint16_t))>;
  std::array<mmsghdr, kMessagesMax> messages;
  std::array<sockaddr_storage, kMessagesMax> targets;
  alignas(cmsghdr) std::array<Control, kMessagesMax> controls;
  std::array<iovec, 2 * kMessagesMax * kTrainDatagramsMax> parts;
  std::size_t parts_used = 0;
};

struct UdpChannel::ReceiveBatch {
  static constexpr std::size_t kControlBytes = 64;
  std::array<mmsghdr, kMessagesMax> messages;
  std::array<sockaddr_storage, kMessagesMax> sources;
  alignas(cmsghdr) std::array<std::array<char, kControlBytes>, kMessagesMax> controls;
  std::array<iovec, kMessagesMax> parts;
  std::array<std::array<char, kMessageBytes>, kMessagesMax> bytes;
};

std::expected<std::unique_ptr<UdpChannel>, std::string> UdpChannel::open(
    const Address& server, const UdpChannelOptions& options) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int failed =
      ::getaddrinfo(server.host.c_str(), std::to_string(server.port).c_str(), &hints, &found);
  if (failed != 0) {
    return std::unexpected(
        fmt::format("cannot find host '{}': {}", server.host, ::gai_strerror(failed)));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  int error = 0;
  for (const addrinfo* target = found; target != nullptr; target = target->ai_next) {
    const int fd = ::socket(target->ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    sockaddr_storage address{};
    std::memcpy(&address, target->ai_addr, target->ai_addrlen);
    return std::unique_ptr<UdpChannel>(new UdpChannel(fd, address, target->ai_addrlen, options));
  }
  return std::unexpected(fmt::format("no socket for {}: {}", server.text(), std::strerror(error)));
}

UdpChannel::UdpChannel(int fd, const sockaddr_storage& server, socklen_t server_bytes,
                       const UdpChannelOptions& options)
    : fd_(fd),
      server_(server),
      server_bytes_(server_bytes),
      single_port_(options.single_port),
      send_(new SendBatch),
      receive_(new ReceiveBatch) {
  configure(options.receive_buffer_bytes);
}

UdpChannel::~UdpChannel() {
  ::close(fd_);
}

void UdpChannel::configure(std::uint32_t receive_buffer_bytes) {
  const int asked = static_cast<int>(std::min<std::uint32_t>(receive_buffer_bytes, 1U << 30));
  if (::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &asked, sizeof(asked)) != 0) {
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &asked, sizeof(asked));
  }
  int granted = 0;
  socklen_t size = sizeof(granted);
  ::getsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &granted, &size);
  window_bytes_ = std::max(static_cast<std::uint32_t>(std::max(granted, 0)) / kBufferPerWindow,
                           kWindowBytesMin);
  if (server_.ss_family == AF_INET) {
    // No "don't fragment": routers with a smaller MTU may cut what they would else drop.
    const int omit = IP_PMTUDISC_OMIT;
    ::setsockopt(fd_, IPPROTO_IP, IP_MTU_DISCOVER, &omit, sizeof(omit));
  }
  const int one = 1;
  ::setsockopt(fd_, IPPROTO_UDP, UDP_GRO, &one, sizeof(one));
}

std::size_t UdpChannel::train(std::span<const OutDatagram> datagrams) const {
  const std::size_t most = segments_ ? std::min(datagrams.size(), kTrainDatagramsMax) : 1;
  const std::size_t each = datagrams[0].bytes();
  std::size_t bytes = each;
  std::size_t count = 1;
  while (count < most && datagrams[count].queue == datagrams[0].queue &&
         datagrams[count].bytes() <= each && bytes + each <= kTrainBytesMax) {
    bytes += datagrams[count].bytes();
    // Only the last may be shorter.
    if (datagrams[count++].bytes() < each) break;
  }
  return count;
}

void UdpChannel::send(std::span<const OutDatagram> datagrams) {
  SendBatch& batch = *send_;
  while (!datagrams.empty()) {
    std::size_t messages = 0;
    batch.parts_used = 0;
    while (!datagrams.empty() && messages < kMessagesMax) {
      const std::size_t count = train(datagrams);
      const OutDatagram& first = datagrams[0];
      sockaddr_storage& target = batch.targets[messages];
      target = server_;
      if (!single_port_) {
        set_port(target, static_cast<std::uint16_t>(port_of(server_) + first.queue.value));
      }
      msghdr& head = batch.messages[messages++].msg_hdr;
      head = {};
      head.msg_name = &target;
      head.msg_namelen = server_bytes_;
      head.msg_iov = &batch.parts[batch.parts_used];
      for (const OutDatagram& out : datagrams.first(count)) {
        batch.parts[batch.parts_used++] = {const_cast<char*>(out.front.data()), out.front_bytes};
        if (out.payload.empty()) continue;
        batch.parts[batch.parts_used++] = {const_cast<char*>(out.payload.data()),
                                           out.payload.size()};
      }
      head.msg_iovlen = static_cast<std::size_t>(&batch.parts[batch.parts_used] - head.msg_iov);
      if (count > 1) {
        SendBatch::Control& control = batch.controls[messages - 1];
        head.msg_control = control.data();
        head.msg_controllen = control.size();
        cmsghdr* const segment = CMSG_FIRSTHDR(&head);
        segment->cmsg_level = SOL_UDP;
        segment->cmsg_type = UDP_SEGMENT;
        segment->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
        const auto each = static_cast<std::uint16_t>(first.bytes());
        std::memcpy(CMSG_DATA(segment), &each, sizeof(each));
      }
      datagrams = datagrams.subspan(count);
    }
    send_batch(messages);
  }
}

bool UdpChannel::wait_for_room() const {
  pollfd waiting{fd_, POLLOUT, 0};
  return ::poll(&waiting, 1, kRoomWaitMs) > 0;
}

void UdpChannel::send_batch(std::size_t messages) {
  SendBatch& batch = *send_;
  std::size_t sent = 0;
  while (sent < messages) {
    const int n = ::sendmmsg(fd_, &batch.messages[sent], static_cast<unsigned>(messages - sent), 0);
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) {
      if (wait_for_room() && errno != ENOBUFS) continue;
      unsent_ += messages - sent;
      return;
    }
    // A device or a path that takes no trains: what is lost here is sent again, singly.
    if (batch.messages[sent].msg_hdr.msg_controllen != 0) segments_ = false;
    ++unsent_;
    ++sent;
  }
}

bool UdpChannel::queue_of(const sockaddr_storage& from, QueueId& queue) const {
  if (!same_host(from, server_)) return false;
  const int offset = port_of(from) - port_of(server_);
  if (offset < 0 || offset > 255 || (single_port_ && offset != 0)) return false;
  queue = single_port_ ? kAnyQueue : QueueId{static_cast<std::uint16_t>(offset)};
  return true;
}

void UdpChannel::receive(std::vector<InDatagram>& datagrams) {
  ReceiveBatch& batch = *receive_;
  for (std::size_t i = 0; i < kMessagesMax; ++i) {
    batch.parts[i] = {batch.bytes[i].data(), kMessageBytes};
    msghdr& head = batch.messages[i].msg_hdr;
    head = {};
    head.msg_name = &batch.sources[i];
    head.msg_namelen = sizeof(sockaddr_storage);
    head.msg_iov = &batch.parts[i];
    head.msg_iovlen = 1;
    head.msg_control = batch.controls[i].data();
    head.msg_controllen = ReceiveBatch::kControlBytes;
  }
  const int n = ::recvmmsg(fd_, batch.messages.data(), kMessagesMax, MSG_DONTWAIT, nullptr);
  for (std::size_t i = 0; i < static_cast<std::size_t>(std::max(n, 0)); ++i) {
    msghdr& head = batch.messages[i].msg_hdr;
    std::string_view bytes(batch.bytes[i].data(), batch.messages[i].msg_len);
    QueueId queue;
    if (!queue_of(batch.sources[i], queue)) {
      ++foreign_;
      continue;
    }
    std::size_t each = bytes.size();
    for (cmsghdr* c = CMSG_FIRSTHDR(&head); c != nullptr; c = CMSG_NXTHDR(&head, c)) {
      if (c->cmsg_level != SOL_UDP || c->cmsg_type != UDP_GRO) continue;
      int size = 0;
      std::memcpy(&size, CMSG_DATA(c), sizeof(size));
      if (size > 0) each = static_cast<std::size_t>(size);
    }
    do {
      datagrams.push_back({queue, bytes.substr(0, each)});
      bytes.remove_prefix(std::min(each, bytes.size()));
    } while (!bytes.empty());
  }
}

void UdpChannel::wait(Nanos timeout) {
  pollfd waiting{fd_, POLLIN, 0};
  const auto ns = std::clamp<std::int64_t>(timeout.count(), 0, 3'600'000'000'000);
  const timespec limit{ns / 1'000'000'000, ns % 1'000'000'000};
  ::ppoll(&waiting, 1, &limit, nullptr);
}

}  // namespace minos
