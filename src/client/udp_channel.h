#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/units.h"
#include "client/address.h"
#include "client/datagram_channel.h"

namespace minos {

struct UdpChannelOptions {
  bool single_port = false;  // the server finds the queue in the header, not by its port
  std::uint32_t receive_buffer_bytes = 4 * kMiB;  // asked of the kernel, which may give less
};

// Kernel UDP: one socket for all queues of a server, whose ports are consecutive, since the server
// knows a client by its address and port. Trains of datagrams of one size leave in one piece
// (UDP_SEGMENT) and arrive so (UDP_GRO) where the kernel can.
class UdpChannel final : public DatagramChannel {
 public:
  // The error names the address and the cause. Nothing is sent yet.
  static std::expected<std::unique_ptr<UdpChannel>, std::string> open(
      const Address& server, const UdpChannelOptions& options);
  ~UdpChannel() override;
  UdpChannel(const UdpChannel&) = delete;
  UdpChannel& operator=(const UdpChannel&) = delete;

  void send(std::span<const OutDatagram> datagrams) override;
  void receive(std::vector<InDatagram>& datagrams) override;
  void wait(Nanos timeout) override;
  std::uint32_t window_bytes() const override { return window_bytes_; }

  std::uint64_t unsent() const { return unsent_; }    // found no room, or no way
  std::uint64_t foreign() const { return foreign_; }  // received from somebody else

 private:
  // The memory of one sendmmsg or recvmmsg.
  struct SendBatch;
  struct ReceiveBatch;

  UdpChannel(int fd, const sockaddr_storage& server, socklen_t server_bytes,
             const UdpChannelOptions& options);
  void configure(std::uint32_t receive_buffer_bytes);
  // How many of the first datagrams go out as one message.
  std::size_t train(std::span<const OutDatagram> datagrams) const;
  bool wait_for_room() const;
  void send_batch(std::size_t messages);
  bool queue_of(const sockaddr_storage& from, QueueId& queue) const;

  int fd_;
  sockaddr_storage server_;
  socklen_t server_bytes_;
  bool single_port_;
  bool segments_ = true;  // the way takes trains
  std::uint32_t window_bytes_ = 0;
  std::uint64_t unsent_ = 0;
  std::uint64_t foreign_ = 0;
  std::unique_ptr<SendBatch> send_;
  std::unique_ptr<ReceiveBatch> receive_;
};

}  // namespace minos
