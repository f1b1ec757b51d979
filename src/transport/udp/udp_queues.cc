#include "transport/udp/udp_queues.h"

#include <fmt/format.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "transport/address.h"

namespace minos {

namespace {

// Of a request's header, docs/PROTOCOL.md.
constexpr std::uint32_t kQueueByte = 27;

int set_int(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value);
}

sockaddr_storage with_port(const addrinfo& at, std::uint16_t port) {
  sockaddr_storage address{};
  std::memcpy(&address, at.ai_addr, at.ai_addrlen);
  if (at.ai_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6&>(address).sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in&>(address).sin_port = htons(port);
  }
  return address;
}

int bind_to(int fd, const addrinfo& at, std::uint16_t port) {
  const sockaddr_storage address = with_port(at, port);
  if (at.ai_family == AF_INET6) set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  const auto* to = reinterpret_cast<const sockaddr*>(&address);
  return ::bind(fd, to, at.ai_addrlen) == 0 ? 0 : errno;
}

bool is_every_address(const addrinfo& at) {
  const sockaddr_storage address = with_port(at, 0);
  if (at.ai_family == AF_INET6) {
    return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
  }
  return reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr == htonl(INADDR_ANY);
}

Fd make_socket(const addrinfo& at) {
  return Fd(::socket(at.ai_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_UDP));
}

// What the kernel then grants; it tells twice the size, for its own overhead.
std::uint32_t ask_for_buffer(int fd, int force_option, int option, std::uint32_t wanted) {
  const int bytes = static_cast<int>(wanted);
  // Beyond the machine's limit is for the privileged only.
  if (set_int(fd, SOL_SOCKET, force_option, bytes) != 0) set_int(fd, SOL_SOCKET, option, bytes);
  int doubled = 0;
  socklen_t size = sizeof doubled;
  ::getsockopt(fd, SOL_SOCKET, option, &doubled, &size);
  return static_cast<std::uint32_t>(doubled) / 2;
}

}  // namespace

std::expected<std::vector<std::unique_ptr<UdpQueues>>, std::string> UdpQueues::open(
    const std::string& host, const Options& options) {
  const auto addresses = resolve_listen(host, options.base_port, SOCK_DGRAM);
  if (!addresses) return std::unexpected(addresses.error());
  std::vector<std::unique_ptr<UdpQueues>> all;
  std::string passed_over;
  for (const addrinfo* at = addresses->get(); at != nullptr; at = at->ai_next) {
    std::unique_ptr<UdpQueues> queues(new UdpQueues());
    std::uint16_t port = options.base_port;
    const int error = queues->bind_all(*at, options, port);
    if (error == 0) {
      all.push_back(std::move(queues));
      continue;
    }
    const std::string why = fmt::format("cannot receive datagrams on {}: {}",
                                        name_of(with_port(*at, port), "udp"), std::strerror(error));
    if (!family_is_off(*at, error)) return std::unexpected(why);
    passed_over = why;
  }
  if (all.empty()) return std::unexpected(passed_over);
  return all;
}

int UdpQueues::bind_all(const addrinfo& at, const Options& options, std::uint16_t& port) {
  ipv6_ = at.ai_family == AF_INET6;
  name_ = name_of(with_port(at, port), "udp");
  if (options.single_port) {
    if (const int error = check_unused(at, port); error != 0) return error;
  } else {
    name_ = with_last_port(name_, options.base_port, options.queues);
  }
  for (std::uint16_t queue = 0; queue < options.queues; ++queue) {
    if (!options.single_port) port = static_cast<std::uint16_t>(options.base_port + queue);
    if (const int error = bind_one(at, port, options); error != 0) return error;
  }
  if (options.single_port) {
    if (const int error = steer(); error != 0) return error;
  }
  if (is_every_address(at)) tell_locals();
  probe();
  size_buffers(options.buffer_bytes);
  return 0;
}

int UdpQueues::bind_one(const addrinfo& at, std::uint16_t port, const Options& options) {
  Fd fd = make_socket(at);
  if (!fd) return errno;
  // Without "don't fragment", which on IPv4 is the default: a datagram that a router further on
  // has no room for would be lost, for good where ICMP is filtered, and no ICMP, which anybody can
  // forge, then shortens what we send. IPv6 needs ICMP, since its routers do not fragment.
  if (!ipv6_) set_int(fd.get(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_OMIT);
  if (options.single_port && set_int(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1) != 0) return errno;
  if (const int error = bind_to(fd.get(), at, port); error != 0) return error;
  sockets_.push_back(std::move(fd));
  return 0;
}

// Another server on the same port would join its group without an error, and each would get some of
// the other's datagrams. Without SO_REUSEPORT there is the error.
int UdpQueues::check_unused(const addrinfo& at, std::uint16_t port) const {
  const Fd fd = make_socket(at);
  return fd ? bind_to(fd.get(), at, port) : errno;
}

// The sockets of a group are numbered as they were bound. The program sees the datagram's payload;
// of one that is too short the load ends it with 0.
int UdpQueues::steer() {
  std::array<sock_filter, 3> program{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, kQueueByte),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count()),
      BPF_STMT(BPF_RET | BPF_A, 0),
  }};
  const sock_fprog filter{program.size(), program.data()};
  const int failed = ::setsockopt(sockets_.front().get(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF,
                                  &filter, sizeof filter);
  return failed == 0 ? 0 : errno;
}

void UdpQueues::tell_locals() {
  tells_locals_ = std::ranges::all_of(sockets_, [&](const Fd& fd) {
    return (ipv6_ ? set_int(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                  : set_int(fd.get(), IPPROTO_IP, IP_PKTINFO, 1)) == 0;
  });
}

void UdpQueues::probe() {
  can_send_trains_ = set_int(sockets_.front().get(), SOL_UDP, UDP_SEGMENT, 0) == 0;
  receives_trains_ = std::ranges::all_of(
      sockets_, [](const Fd& fd) { return set_int(fd.get(), SOL_UDP, UDP_GRO, 1) == 0; });
}

void UdpQueues::size_buffers(std::uint32_t wanted) {
  receive_buffer_bytes_ = send_buffer_bytes_ = wanted;
  for (const Fd& fd : sockets_) {
    receive_buffer_bytes_ = std::min(receive_buffer_bytes_,
                                     ask_for_buffer(fd.get(), SO_RCVBUFFORCE, SO_RCVBUF, wanted));
    send_buffer_bytes_ =
        std::min(send_buffer_bytes_, ask_for_buffer(fd.get(), SO_SNDBUFFORCE, SO_SNDBUF, wanted));
  }
}

// Each socket counts 32 bits.
std::uint64_t UdpQueues::dropped() const {
  std::uint64_t sum = 0;
  for (const Fd& fd : sockets_) {
    std::array<std::uint32_t, SK_MEMINFO_VARS> values{};
    socklen_t size = sizeof values;
    const bool told = ::getsockopt(fd.get(), SOL_SOCKET, SO_MEMINFO, values.data(), &size) == 0;
    if (told) sum += values[SK_MEMINFO_DROPS];
  }
  return sum;
}

}  // namespace minos
