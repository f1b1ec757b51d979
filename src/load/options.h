#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "client/address.h"
#include "load/key_space.h"
#include "load/protocol.h"

namespace minos {

// Which connection takes a request of an open loop. kIdle is what a pool of connections does: one
// that waits for nothing, the longest idle first, and round robin where there is none.
enum class Spread : std::uint8_t { kRoundRobin, kRandom, kIdle };

// What the user asks of `minos load`. Numbers are wide and signed so that check_options() can say
// what is wrong with any of them; after it they are in the ranges given.
struct LoadOptions {
  Address server{.host = "127.0.0.1", .port = 11211};
  ProtocolKind protocol = ProtocolKind::kMemcached;
  bool single_port = false;        // over kernel UDP: all queues of the server are on one port
  std::int64_t threads = 1;        // 1 to 64; over DPDK one
  std::vector<std::int64_t> cpus;  // thread i runs on cpus[i % size]; empty: anywhere
  // Of all threads together, threads to 10000; 50, or one for each thread where these are sockets
  // for datagrams.
  std::optional<std::int64_t> connections;
  std::optional<double> rate;               // requests/s of an open loop, above 0 to 1e8
  bool closed = false;                      // or a closed loop, of
  std::optional<std::int64_t> depth;        // 1 to 4096 requests outstanding per connection; 1
  std::optional<Spread> spread;             // open loop only; round robin
  std::optional<double> duration_s;         // of the measured window, 0.1 to 86400; 10
  std::optional<double> warmup_s;           // before it, 0 to 3600; 1
  std::int64_t keys = 1'000'000;            // non-large ones, 1 to 2^31
  std::int64_t large_keys = 1000;           // 0 to 2^31 - 1
  std::int64_t first_key = 0;               // 0 to 2^32 - 1 - keys - large_keys
  double large_percent = 0.125;             // of requests, 0 to 100
  std::int64_t large_max = 500'000;         // bytes, kLargeBytesMin to 2^30
  std::optional<std::int64_t> value_bytes;  // 1 to kSmallBytesMax; tiny and small mixed
  double get_ratio = 0.95;                  // 0 to 1
  double zipf = 0.99;                       // 0 to 5
  bool preload = true;
  bool preload_only = false;
  double timeout_s = 10;       // 0.01 to 3600
  std::int64_t seed = 1;       // 0 and up
  std::int64_t slice_ms = 50;  // 1 to 10000
  bool sleep = false;
  bool verify = false;
  bool kernel_times = false;

  std::int64_t connection_count() const {
    return connections.value_or(is_datagrams(protocol) ? threads : 50);
  }
  bool open_loop() const { return rate.has_value(); }
  bool preloads() const { return preload || preload_only; }
  Nanos timeout() const { return Nanos(static_cast<std::int64_t>(timeout_s * 1e9)); }
  Nanos duration() const { return Nanos(static_cast<std::int64_t>(duration_s.value_or(10) * 1e9)); }
  Nanos warmup() const { return Nanos(static_cast<std::int64_t>(warmup_s.value_or(1) * 1e9)); }
  KeySpace::Options key_space() const;
};

// The error names the option, its value and what is allowed.
std::expected<void, std::string> check_options(const LoadOptions& options);

}  // namespace minos
