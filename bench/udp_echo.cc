// The kernel's share of a datagram request: a server that does nothing but receive and send. Every
// datagram is answered with its own header, made a reply to a get of a value of VALUE_BYTES, as the
// Minos datagram protocol has it (docs/PROTOCOL.md); nothing is parsed, looked up or stored. One
// thread, one socket, batches of recvmmsg and sendmmsg; it sleeps only when nothing waits.
//
//   minos_udp_echo PORT VALUE_BYTES plain|trains
//
// plain: every datagram is a message of its own. trains: with UDP_GRO, and consecutive replies to
// one peer are one message (UDP_SEGMENT).
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr std::size_t kBatch = 32;
constexpr std::size_t kMessageBytes = 64 * 1024;
constexpr std::size_t kMessageStride = kMessageBytes + 4096 + 64;
constexpr std::size_t kHeaderBytes = 28;
constexpr std::size_t kFixedBytes = 12;  // of a get's reply
constexpr std::size_t kReplyBytesMax = 1472;
constexpr std::size_t kTrainMax = 64;
constexpr std::size_t kTrainBytesMax = 65'000;
constexpr std::size_t kRepliesMax = 2048;  // of one batch: more are not answered

struct alignas(cmsghdr) Control {
  std::array<char, CMSG_SPACE(sizeof(int))> bytes;
};

class UdpEcho {
 public:
  UdpEcho(int socket, std::size_t value_bytes, bool trains)
      : socket_(socket),
        reply_bytes_(kHeaderBytes + kFixedBytes + value_bytes),
        trains_(trains),
        input_(kBatch * kMessageStride),
        output_(kRepliesMax * reply_bytes_) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      in_parts_[i] = {&input_[i * kMessageStride], kMessageBytes};
    }
  }

  [[noreturn]] void run() {
    for (;;) {
      const std::size_t got = receive();
      if (got == 0) {
        pollfd wanted{socket_, POLLIN, 0};
        ::poll(&wanted, 1, -1);
        continue;
      }
      replies_ = messages_ = 0;
      for (std::size_t i = 0; i < got; ++i) answer(in_[i], peers_[i]);
      send();
    }
  }

 private:
  std::size_t receive() {
    for (std::size_t i = 0; i < kBatch; ++i) {
      in_[i].msg_hdr = {};
      in_[i].msg_hdr.msg_name = &peers_[i];
      in_[i].msg_hdr.msg_namelen = sizeof peers_[i];
      in_[i].msg_hdr.msg_iov = &in_parts_[i];
      in_[i].msg_hdr.msg_iovlen = 1;
      if (trains_) {
        in_[i].msg_hdr.msg_control = &in_controls_[i];
        in_[i].msg_hdr.msg_controllen = sizeof in_controls_[i];
      }
    }
    return static_cast<std::size_t>(
        std::max(::recvmmsg(socket_, in_.data(), kBatch, MSG_DONTWAIT, nullptr), 0));
  }

  void answer(mmsghdr& message, const sockaddr_in& peer) {
    std::size_t segment = message.msg_len;
    if (cmsghdr* const option = CMSG_FIRSTHDR(&message.msg_hdr); option != nullptr) {
      int bytes = 0;
      std::memcpy(&bytes, CMSG_DATA(option), sizeof bytes);
      segment = static_cast<std::size_t>(bytes);
    }
    const char* const start = static_cast<const char*>(message.msg_hdr.msg_iov->iov_base);
    for (std::size_t at = 0; at + kHeaderBytes <= message.msg_len; at += segment) {
      if (replies_ == kRepliesMax) return;
      char* const reply = &output_[replies_++ * reply_bytes_];
      write_reply(start + at, reply);
      add(peer, reply);
    }
  }

  void write_reply(const char* request, char* reply) const {
    std::memcpy(reply, request, kHeaderBytes);
    reply[2] = static_cast<char>(reply[2] | 0x80);
    reply[3] = 0;  // ok
    const auto value_bytes = static_cast<std::uint32_t>(reply_bytes_ - kHeaderBytes - kFixedBytes);
    std::memcpy(reply + 16, &value_bytes, sizeof value_bytes);
    std::memset(reply + 20, 0, 4);
    const auto fragment_bytes = static_cast<std::uint16_t>(value_bytes);
    std::memcpy(reply + 24, &fragment_bytes, sizeof fragment_bytes);
    reply[26] = 0;
    reply[27] = 1;
  }

  // One more reply, right behind the one before.
  void add(const sockaddr_in& peer, char* reply) {
    if (trains_ && messages_ > 0 && extend(peer)) return;
    out_parts_[messages_] = {reply, reply_bytes_};
    out_peers_[messages_] = peer;
    msghdr& header = out_[messages_].msg_hdr;
    header = {};
    header.msg_name = &out_peers_[messages_];
    header.msg_namelen = sizeof peer;
    header.msg_iov = &out_parts_[messages_];
    header.msg_iovlen = 1;
    ++messages_;
  }

  bool extend(const sockaddr_in& peer) {
    const sockaddr_in& last = out_peers_[messages_ - 1];
    iovec& part = out_parts_[messages_ - 1];
    if (last.sin_port != peer.sin_port || last.sin_addr.s_addr != peer.sin_addr.s_addr ||
        part.iov_len + reply_bytes_ > std::min(kTrainBytesMax, kTrainMax * reply_bytes_)) {
      return false;
    }
    part.iov_len += reply_bytes_;
    msghdr& header = out_[messages_ - 1].msg_hdr;
    header.msg_control = &out_controls_[messages_ - 1];
    header.msg_controllen = CMSG_SPACE(sizeof(std::uint16_t));
    cmsghdr* const option = CMSG_FIRSTHDR(&header);
    option->cmsg_level = SOL_UDP;
    option->cmsg_type = UDP_SEGMENT;
    option->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(reply_bytes_);
    std::memcpy(CMSG_DATA(option), &segment, sizeof segment);
    return true;
  }

  // A reply that the kernel does not take is lost, as in a network.
  void send() {
    for (std::size_t sent = 0; sent < messages_;) {
      const int taken =
          ::sendmmsg(socket_, &out_[sent], static_cast<unsigned>(messages_ - sent), MSG_DONTWAIT);
      sent += static_cast<std::size_t>(std::max(taken, 1));
    }
  }

  int socket_;
  std::size_t reply_bytes_;
  bool trains_;
  std::vector<char> input_;
  std::vector<char> output_;
  std::array<mmsghdr, kBatch> in_{};
  std::array<iovec, kBatch> in_parts_{};
  std::array<sockaddr_in, kBatch> peers_{};
  std::array<Control, kBatch> in_controls_{};
  std::array<mmsghdr, kRepliesMax> out_{};
  std::array<iovec, kRepliesMax> out_parts_{};
  std::array<sockaddr_in, kRepliesMax> out_peers_{};
  std::array<Control, kRepliesMax> out_controls_{};
  std::size_t replies_ = 0;
  std::size_t messages_ = 0;
};

int open_socket(int port, bool trains) {
  const int fd = ::socket(AF_INET, SOCK_DGRAM, 0);
  const int buffer_bytes = 4 << 20;
  for (const int option : {SO_RCVBUF, SO_RCVBUFFORCE, SO_SNDBUF, SO_SNDBUFFORCE}) {
    ::setsockopt(fd, SOL_SOCKET, option, &buffer_bytes, sizeof buffer_bytes);
  }
  const int gro = trains ? 1 : 0;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::setsockopt(fd, SOL_UDP, UDP_GRO, &gro, sizeof gro) != 0 ||
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return -1;
  }
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  const int port = argc == 4 ? std::atoi(argv[1]) : 0;
  const int value_bytes = argc == 4 ? std::atoi(argv[2]) : -1;
  const std::string_view mode = argc == 4 ? argv[3] : "";
  const bool trains = mode == "trains";
  const int value_bytes_max = static_cast<int>(kReplyBytesMax - kHeaderBytes - kFixedBytes);
  if (port <= 0 || port > 65535 || value_bytes < 0 || value_bytes > value_bytes_max ||
      (!trains && mode != "plain")) {
    std::fprintf(stderr, "usage: minos_udp_echo PORT VALUE_BYTES plain|trains\n");
    return 2;
  }
  const int socket = open_socket(port, trains);
  if (socket < 0) {
    std::perror("minos_udp_echo");
    return 1;
  }
  static UdpEcho echo(socket, static_cast<std::size_t>(value_bytes), trains);
  echo.run();
}
