#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/limits.h"
#include "base/units.h"
#include "sharding/policy.h"

namespace minos {

struct ListenAddress {
  std::string host;  // numeric address or name; "" = every address of this machine
  std::uint16_t port = 0;
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

enum class TransportKind : std::uint8_t { kTcp, kUdp, kDpdk, kXdp };

// Everything that the command line and the configuration file can say. What parse_options returns
// has passed every check that needs no look at the machine.
struct ServerOptions {
  std::uint16_t port = 11211;             // 0 = any free port
  std::vector<TransportKind> transports;  // at least one, each once
  std::vector<ListenAddress> listen;      // empty exactly without tcp, or with unix_socket
  std::string unix_socket;                // "" = none; set, it replaces TCP
  std::uint32_t unix_mask = 0700;
  std::uint32_t connections_max = 1024;
  std::uint32_t backlog = 1024;
  std::chrono::seconds idle_timeout{0};  // 0 = never
  // With udp, dpdk or xdp: receive queues, each on a port of its own from this one on, or all on
  // one.
  std::uint16_t rx_queues = 0;  // 0 = one for each thread
  std::uint16_t datagram_port = 11300;
  bool datagram_single_port = false;
  std::vector<std::string> datagram_hosts;  // each once, as in ListenAddress; empty without udp
  std::array<std::uint8_t, 4> dpdk_address{10, 0, 0, 1};   // IPv4, of this server
  std::string dpdk_vhost;                                  // "" = none
  std::string dpdk_arguments;                              // separated by blanks
  std::string xdp_interface;                               // "" exactly without xdp
  std::optional<std::array<std::uint8_t, 4>> xdp_address;  // IPv4; the interface's first if not set

  std::uint64_t memory_bytes = 64 * kMiB;
  std::uint64_t item_bytes_max = kItemBytesDefault;
  bool evict = true;
  bool cas = true;
  bool lock_memory = false;

  std::uint16_t threads = 4;
  PolicyKind sharding = PolicyKind::kElastic;
  std::uint16_t dispatchers = 1;    // of software-handoff
  std::vector<std::uint32_t> cpus;  // worker i runs on cpus[i]; empty = the kernel chooses
  std::chrono::microseconds busy_poll{0};
  std::chrono::milliseconds epoch{1000};
  double large_percentile = 99.0;
  double smoothing = 0.9;
  std::uint64_t quantum_bytes = 0;  // 0 = built-in
  std::uint32_t burst_requests = kBurstRequestsMax;

  std::string config_file;
  std::uint32_t verbosity = 0;  // 0 .. 3
  bool daemon = false;
  std::string pidfile;
  std::string user;
  bool shutdown_command = false;

  // A network device has as many queues of either kind, and each worker a TX queue of its own.
  std::uint16_t queue_count() const {
    if (rx_queues == 0) return threads;
    return uses_device() ? std::max(rx_queues, threads) : rx_queues;
  }
  bool has(TransportKind kind) const {
    return std::ranges::find(transports, kind) != transports.end();
  }
  bool uses_device() const { return has(TransportKind::kDpdk) || has(TransportKind::kXdp); }
  bool serves_datagrams() const { return has(TransportKind::kUdp) || uses_device(); }
  // Values of up to so many bytes are never large. Moving a connection costs more than serving a
  // value that is stored inline; a datagram only more than one of a single packet.
  std::uint64_t threshold_min_bytes() const;
  friend bool operator==(const ServerOptions&, const ServerOptions&) = default;
};

// The program should print `text` and exit with `code` before it does anything else.
struct OptionsExit {
  int code = 0;
  std::string text;  // ends with a newline
  bool to_stderr = false;
};

// The command line wins over the file named by --config, which wins over the defaults. Reads that
// file and nothing else; opens no socket.
std::expected<ServerOptions, OptionsExit> parse_options(int argc, const char* const* argv);

}  // namespace minos
