#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "transport/dpdk/eth_port.h"
#include "transport/dpdk/tx_queue.h"
#include "transport/frame/frame.h"

namespace minos {

// A client's end of a DPDK plane: datagrams to the queues of one server, and what it sends back.
// Over virtio TX queue q of the client is RX queue q of the server. Used by one thread, which is
// the one that started EAL or has an EalThread.
class DpdkChannel {
 public:
  struct Options {
    std::string name{};  // of the device; empty: the only one
    Ipv4Address address{};
    std::optional<MacAddress> mac{};  // instead of the device's own
    // Datagrams are sent from ports source_port .. source_port + source_ports - 1.
    std::uint16_t source_port = 0;
    std::uint16_t source_ports = 1;
    Ipv4Address server_address{};
    std::optional<MacAddress> server_mac{};  // otherwise asked for by ARP
    std::uint16_t base_port = 0;             // of the server's queue 0
    std::uint16_t queues = 1;                // exactly as many as the server has
  };

  // Where a received datagram came from and went to.
  struct Origin {
    QueueId queue;             // of the server that it came from
    std::uint16_t source = 0;  // counted from source_port
  };

  // After Eal::start(). Asks for the server's MAC address for up to two seconds. Errors: sentences.
  static std::expected<std::unique_ptr<DpdkChannel>, std::string> create(const Options& options);
  ~DpdkChannel();
  DpdkChannel(const DpdkChannel&) = delete;
  DpdkChannel& operator=(const DpdkChannel&) = delete;

  // The source port of what is sent from now on, counted from source_port; at first 0.
  void use_source(std::uint16_t source);
  // One datagram, at most kDatagramBytesMax in all, copied; it goes out with flush(), or before.
  // False: the way out is full.
  bool send(QueueId queue, std::string_view front, std::string_view payload);
  void flush();
  // Datagrams for any queue that send() would take now.
  std::size_t room() const;
  // Any frame of up to kFrameBytesMax, over TX queue 0, as it is: for tests.
  bool send_frame(std::string_view frame);

  // Appends what has arrived, at most kReceiveMax datagrams; they can be read until the next call.
  // Returns how many. Without any it has spent no more than a look at each queue.
  std::size_t receive(std::vector<std::string_view>& datagrams);
  static constexpr std::size_t kReceiveMax = 256;
  // Of what the last receive() appended, in the same order.
  std::span<const Origin> origins() const { return origins_; }
  // Frames that were no datagrams from the server; of them the last one, until the next receive().
  std::uint64_t strangers() const { return strangers_; }
  std::string_view last_stranger() const { return last_stranger_; }

  const TxCounters& tx_counters() const { return tx_counters_; }

  const FrameSelf& self() const { return self_; }
  const Peer& server() const { return server_; }

 private:
  explicit DpdkChannel(const Options& options) : options_(options) {}
  std::expected<void, std::string> open();
  std::expected<void, std::string> find_server();
  std::size_t burst(std::uint16_t queue);
  void take(rte_mbuf* frame, std::vector<std::string_view>& datagrams);
  void free_received();

  const Options options_;
  FrameSelf self_;
  Peer server_;
  std::uint16_t source_ = 0;
  std::uint16_t next_queue_ = 0;  // that receive() starts with
  std::uint64_t strangers_ = 0;
  std::string_view last_stranger_;
  std::vector<Origin> origins_;
  std::unique_ptr<EthPort> eth_;
  std::optional<FrameWriter> writer_;
  TxCounters tx_counters_;
  std::vector<std::unique_ptr<TxQueue>> tx_;
  std::array<rte_mbuf*, kReceiveMax> received_{};
  std::size_t received_count_ = 0;
};

}  // namespace minos
