#pragma once

#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "sharding/policy.h"
#include "sim/simulation.h"
#include "worker/worker_stats.h"

// What a running server says of itself and of its load, and the simulation that repeats it. Pure:
// who asks the server is somebody else. Errors are sentences that name the line that is wrong.
namespace minos {

// The answer to one `stats ARGUMENT`: names and values in the server's order.
using StatLines = std::vector<std::pair<std::string, std::string>>;

// What of the server's own making decides latencies.
struct ObservedServer {
  std::string version;
  PolicyKind policy = PolicyKind::kElastic;
  std::uint16_t threads = 1;  // 1 to 128
  std::uint16_t dispatchers = 1;
  std::uint64_t keys = 0;  // that it holds
  double large_percentile = 99;
  double smoothing = 0.9;
  Nanos epoch{0};
  std::uint64_t quantum_bytes = 0;        // above 0
  std::uint64_t threshold_bytes = 0;      // in force; 2^31 and up: nothing is large
  std::uint64_t threshold_min_bytes = 0;  // nothing of up to so many bytes is ever large
};

// From `stats`, `stats settings` and `stats minos`.
std::expected<ObservedServer, std::string> parse_server(const StatLines& general,
                                                        const StatLines& settings,
                                                        const StatLines& minos);

// What has come since the server's start or its last `stats reset`.
struct ObservedLoad {
  double seconds = 0;               // by the server's clock
  std::uint64_t without_value = 0;  // requests that end without one, such as a GET that misses
  SizeCounts sizes;

  std::uint64_t requests() const {
    return without_value + sizes.read.count() + sizes.written.count();
  }
  double rate_per_s() const { return static_cast<double>(requests()) / seconds; }
};

// From `stats minos sizes`.
std::expected<ObservedLoad, std::string> parse_load(const StatLines& lines);

// What came in between. Error: counts went back, or nothing came.
std::expected<ObservedLoad, std::string> load_between(const ObservedLoad& before,
                                                      const ObservedLoad& after);

// A load in a few numbers. Sizes are the upper bounds of their classes.
struct LoadSummary {
  double get_share = 0;  // of all requests, misses included
  double value_bytes_mean = 0;
  std::uint64_t value_bytes_p50 = 0;
  std::uint64_t value_bytes_p90 = 0;
  std::uint64_t value_bytes_p99 = 0;
  std::uint64_t value_bytes_p999 = 0;
  std::uint64_t value_bytes_max = 0;
  std::uint64_t large_above_bytes = 0;
  double large_share = 0;        // of all requests
  double large_bytes_share = 0;  // of the bytes of all values
};
LoadSummary summarise(const ObservedServer& server, const ObservedLoad& load);

// Larger than this is large in reports, whatever is simulated: the threshold in force, or, where
// there is none, what the controller would make of this load. A bound of a size class.
std::uint64_t large_above_bytes(const ObservedServer& server, const ObservedLoad& load);

// Its sizes and how often each is asked for and written. A size stands for its class, and for an
// octave above 1 MiB, where each has a value of its own to be stored; requests without a value are
// GETs of one byte, which cost the same.
std::vector<SimSizeShare> size_shares(const ObservedLoad& load, std::uint64_t large_above);

// The server as it is, under that load at its own rate. `base` has what the server does not know:
// costs, network, number of requests, seed.
SimOptions as_observed(const SimOptions& base, const ObservedServer& server,
                       const ObservedLoad& load);

// Packets of a quantum of so many bytes, as large replies are simulated; at least one.
std::uint32_t packets_of_quantum(std::uint64_t quantum_bytes);

}  // namespace minos
