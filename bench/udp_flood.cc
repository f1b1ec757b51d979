// A flood of bad datagrams from addresses that are not the sender's, and what it draws in reply.
//
//   minos_udp_flood HOST BASE_PORT QUEUES DATAGRAMS_PER_S SECONDS     0 a second: as fast as it
//   goes
//
// In turn: random bytes; a get, cut off somewhere; a get with some byte changed; and a whole get of
// a key without a token, which asks for the most that an unproven address could want. Sources are
// drawn from all of 127/8, which needs no privilege (IP_PKTINFO); what the server sends to them
// comes back here, so that amplification can be counted.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "wire/datagram.h"

namespace {

using minos::Datagram;
using minos::DatagramOp;

constexpr std::size_t kBatch = 64;
// So little at a time at a given rate: whoever shares the CPU is not kept from it for long.
constexpr std::size_t kPacedBatch = 8;
constexpr auto kPause = std::chrono::microseconds(50);
constexpr std::size_t kBytesMax = 1472;
constexpr std::uint32_t kLoopbackHosts = 1 << 24;

struct alignas(cmsghdr) Control {
  std::array<char, CMSG_SPACE(sizeof(in_pktinfo))> bytes;
};

struct Tally {
  std::uint64_t datagrams = 0;
  std::uint64_t bytes = 0;
};

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

class Flood {
 public:
  Flood(int socket, sockaddr_in server, int queues)
      : socket_(socket), server_(server), queues_(queues) {}

  void run(double per_s, double seconds) {
    const double from = now_s();
    batch_ = per_s > 0 ? kPacedBatch : kBatch;
    for (double at = from; at < from + seconds; at = now_s()) {
      receive();
      if (per_s > 0 && static_cast<double>(sent_.datagrams) > (at - from) * per_s) {
        std::this_thread::sleep_for(kPause);
        continue;
      }
      send();
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    receive();
    std::printf(
        "{\"seconds\": %.2f, \"sent\": %llu, \"sent_bytes\": %llu, \"refused_by_kernel\": %llu, "
        "\"received\": %llu, \"received_bytes\": %llu}\n",
        now_s() - from, static_cast<unsigned long long>(sent_.datagrams),
        static_cast<unsigned long long>(sent_.bytes), static_cast<unsigned long long>(refused_),
        static_cast<unsigned long long>(received_.datagrams),
        static_cast<unsigned long long>(received_.bytes));
  }

 private:
  std::size_t write(char* to) {
    switch (next_++ % 4) {
      case 0: {
        const std::size_t bytes = random_.below(kBytesMax + 1);
        for (std::size_t i = 0; i < bytes; ++i) to[i] = static_cast<char>(random_.next());
        return bytes;
      }
      case 1:
        return random_.below(get(to));
      case 2: {
        const std::size_t bytes = get(to);
        to[random_.below(bytes)] = static_cast<char>(random_.next());
        return bytes;
      }
      default:
        return get(to);
    }
  }

  std::size_t get(char* to) {
    const std::uint64_t key = random_.below(1000);
    Datagram out;
    out.header.op = DatagramOp::kGet;
    out.header.request_id = static_cast<std::uint32_t>(random_.next());
    out.key = {reinterpret_cast<const char*>(&key), sizeof key};
    return minos::write_front(out, to);
  }

  void send() {
    for (std::size_t i = 0; i < batch_; ++i) {
      char* const bytes = &buffers_[i * kBytesMax];
      parts_[i] = {bytes, write(bytes)};
      to_[i] = server_;
      const auto queue = random_.below(static_cast<std::uint64_t>(queues_));
      to_[i].sin_port = htons(static_cast<std::uint16_t>(ntohs(server_.sin_port) + queue));
      msghdr& header = messages_[i].msg_hdr;
      header = {};
      header.msg_name = &to_[i];
      header.msg_namelen = sizeof to_[i];
      header.msg_iov = &parts_[i];
      header.msg_iovlen = 1;
      header.msg_control = &controls_[i];
      header.msg_controllen = sizeof controls_[i];
      cmsghdr* const option = CMSG_FIRSTHDR(&header);
      option->cmsg_level = IPPROTO_IP;
      option->cmsg_type = IP_PKTINFO;
      option->cmsg_len = CMSG_LEN(sizeof(in_pktinfo));
      in_pktinfo source{};
      const auto host = static_cast<std::uint32_t>(1 + random_.below(kLoopbackHosts - 2));
      source.ipi_spec_dst.s_addr = htonl((127U << 24) + host);
      std::memcpy(CMSG_DATA(option), &source, sizeof source);
    }
    const int taken =
        ::sendmmsg(socket_, messages_.data(), static_cast<unsigned>(batch_), MSG_DONTWAIT);
    if (taken <= 0) ++refused_;
    for (int i = 0; i < taken; ++i) {
      ++sent_.datagrams;
      sent_.bytes += parts_[static_cast<std::size_t>(i)].iov_len;
    }
  }

  void receive() {
    std::array<char, 2048> bytes;
    for (;;) {
      const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_TRUNC);
      if (got < 0) return;
      ++received_.datagrams;
      received_.bytes += static_cast<std::uint64_t>(got);
    }
  }

  int socket_;
  sockaddr_in server_;
  int queues_;
  minos::Prng random_{1};
  std::size_t next_ = 0;
  std::size_t batch_ = kBatch;
  std::uint64_t refused_ = 0;
  Tally sent_;
  Tally received_;
  std::vector<char> buffers_ = std::vector<char>(kBatch * kBytesMax);
  std::array<iovec, kBatch> parts_{};
  std::array<sockaddr_in, kBatch> to_{};
  std::array<Control, kBatch> controls_{};
  std::array<mmsghdr, kBatch> messages_{};
};

// Bound to every address, so that the replies to all of them arrive.
int open_socket() {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer_bytes = 8 << 20;
  for (const int option : {SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE}) {
    ::setsockopt(fd, SOL_SOCKET, option, &buffer_bytes, sizeof buffer_bytes);
  }
  sockaddr_in any{};
  any.sin_family = AF_INET;
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&any), sizeof any) == 0 ? fd : -1;
}

}  // namespace

int main(int argc, char** argv) {
  sockaddr_in server{};
  server.sin_family = AF_INET;
  if (argc != 6 || ::inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
    std::fprintf(stderr, "usage: minos_udp_flood HOST BASE_PORT QUEUES DATAGRAMS_PER_S SECONDS\n");
    return 2;
  }
  server.sin_port = htons(static_cast<std::uint16_t>(std::atoi(argv[2])));
  const int fd = open_socket();
  if (fd < 0) {
    std::perror("minos_udp_flood");
    return 1;
  }
  Flood(fd, server, std::max(std::atoi(argv[3]), 1)).run(std::atof(argv[4]), std::atof(argv[5]));
  return 0;
}
