#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/units.h"
#include "sharding/policy.h"
#include "sim/cost_model.h"

// The server in virtual time: the real workers, store, policy and controller on virtual cores, an
// open loop of clients, and a cost model in place of the CPU. One call is one run; runs share
// nothing and may go on in several threads at once. Same options, same result, bit for bit.
namespace minos {

// What sizes values have.
enum class SimSizes : std::uint8_t {
  kTrimodal,  // the paper's: tiny, small, and large ones of up to large_bytes_max
  kBimodal,   // one packet, or large_factor packets
  kGiven,     // as `size_shares` says
};

struct SimSizeShare {
  std::uint64_t value_bytes = 0;  // 1 to 64 MiB
  double share = 0;               // of all requests, relative to the sum of all
  bool large = false;             // counts as large in the results
  // Of these requests, 0 to 1; below 0: as SimOptions has it for all.
  double get_ratio = -1;
};

// From `at` on, this percentage of requests is large.
struct SimPhase {
  Nanos at{0};  // since the start of the run, warm-up included; ascending
  double large_percent = 0;
};

// Ranges are those that check_sim_options() enforces; it names the option as `minos sim` does.
struct SimOptions {
  PolicyKind policy = PolicyKind::kElastic;
  // 1 to 128, with an RX queue each. Under software-handoff the dispatchers are among them, except
  // in the ideal profile: there they come on top and cost nothing, so that `cores` servers work.
  std::uint16_t cores = 8;
  CostModel costs;  // cost_model_named(); must be set

  // How many requests come: a share of the capacity (above 0 to 2), or a number per second
  // (1 to 1e9) if that is not 0.
  double load = 0.8;
  double rate_per_s = 0;

  SimSizes sizes = SimSizes::kTrimodal;
  double large_percent = 0.125;             // of requests, 0 to 100
  std::uint64_t large_bytes_max = 500'000;  // of trimodal, 1500 to 16 MiB
  std::uint32_t large_factor = 100;         // of bimodal, 2 to 10000
  std::vector<SimSizeShare> size_shares;    // of given
  std::vector<SimPhase> phases;    // large_percent over time, not of kGiven; `load` is that before
  double get_ratio = 0.95;         // 0 to 1; the rest are SETs
  std::uint32_t keys = 100'000;    // not large, 1 to 16 M; of kGiven: at most so many
  std::uint32_t large_keys = 100;  // 1 to 10000, and fewer if they take more than 256 MiB
  double zipf = 0.99;              // of the keys that are not large, 0 to 5
  double answered_percent = 100;   // of replies, 0 (not 0 itself) to 100: others are made, but take
                                   // no bandwidth, and no latency is counted

  std::uint64_t requests = 1'000'000;  // that are counted, 1 to 1e10
  double warmup_percent = 10;          // so many more come before those that are counted, 0 to 1000
  std::uint64_t seed = 1;

  // Of the server. 0: what the real one does.
  double large_percentile = 99;           // above 0, below 100
  double smoothing = 0.9;                 // above 0, to 1
  Nanos epoch = std::chrono::seconds(1);  // 10 us and up
  // Start with the plan that the controller makes of the workload's own sizes, as if epochs had
  // gone before; else with the one for a server that has seen nothing.
  bool start_planned = true;
  std::uint64_t threshold_min_bytes = 0;  // nothing of up to so many bytes is large; 0: a packet
  std::uint16_t dispatchers = 1;          // of software-handoff, 1 to cores - 1
  std::uint32_t quantum_packets = 0;      // 1 to 65536; 0: the server's
  // Requests taken together, 1 to 32; 0: see default_burst().
  std::uint32_t burst_requests = 0;

  // The network; of the ideal profile there is none.
  double link_gbit_s = 40;  // each way; 0: without limit
  // Of each of eight machines that values of many packets come from, where the link is without
  // limit; 0: all packets of a value come at once.
  double client_gbit_s = 40;
  double wire_us = 0;                     // on the way besides, each way, 0 to 1e6
  std::uint32_t rx_queue_packets = 4096;  // 64 to 2^20; what comes to a full one is lost
  std::uint32_t tx_queue_packets = 1024;  // 64 to 2^20

  // A point of SimResult::timeline every so often; 0: none.
  Nanos timeline_every{0};
  // Called now and then with the requests done and to do, if set. Returning false ends the run: the
  // result is then of what was done.
  std::function<bool(std::uint64_t done, std::uint64_t total)> progress;
};

// Requests of a class. Latency is from when a request was due to when its reply was whole at the
// client; the service time is what it costs a core alone, without queues, hand-offs and polls.
struct SimLatency {
  std::uint64_t count = 0;
  double mean_us = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double max_us = 0;
  double mean_service_us = 0;
  double mean_wait_us = 0;   // latency - service time
  double mean_slowdown = 0;  // mean of latency / service time
  // Standard errors of the two means, by the means of 32 batches.
  double mean_error_us = 0;
  double wait_error_us = 0;
};

enum class SimActivity : std::uint8_t {
  kReceive,     // packets, and the rounds of the loop that brought some
  kServeSmall,  // parse, look up, reply, store
  kServeLarge,
  kHandOff,
  kSteal,
  kPoll,  // in vain; with the idle time in between
};
inline constexpr std::size_t kSimActivities = 6;
std::string_view name_of(SimActivity activity);

struct SimCore {
  CoreRole role = CoreRole::kAny;              // at the end
  double utilisation = 0;                      // share of its time that was not kPoll
  std::array<double, kSimActivities> share{};  // of its time; adds up to 1
  std::uint64_t requests = 0;                  // answered
  std::uint64_t large_requests = 0;
  std::uint64_t packets_in = 0;
  std::uint64_t packets_out = 0;
  std::uint64_t steps = 0;
};

struct SimPlan {
  Nanos at{0};
  std::uint64_t threshold_bytes = 0;
  double small_cost_share = 1;
  std::vector<CoreRole> roles;
};

struct SimPoint {
  Nanos until{0};  // of the interval
  std::uint64_t requests = 0;
  double p50_us = 0;
  double p99_us = 0;
  double small_p99_us = 0;
  double large_p99_us = 0;
  std::uint16_t large_cores = 0;  // that own a range of large sizes, at its end
  std::uint64_t threshold_bytes = 0;
};

struct SimResult {
  // Of the workload, before the first request: service time of a request, all of them on average,
  // what the cores can do of that, what the link can, and the smaller of the two.
  double mean_service_us = 0;
  double cores_mops = 0;
  double link_mops = 0;  // 0: without limit
  double capacity_mops = 0;
  double offered_mops = 0;

  // Of the requests that were counted.
  SimLatency all;
  SimLatency small;
  SimLatency large;
  double throughput_mops = 0;  // answered while counted ones came
  std::uint64_t lost = 0;      // RX queue was full, or the reply had no room
  std::uint64_t busy = 0;      // answered so by the server
  std::uint64_t missed = 0;    // not found, or another error
  std::uint64_t unanswered = 0;

  // Of the whole run, until the last request came.
  Nanos virtual_time{0};
  std::vector<SimCore> cores;
  double link_in_share = 0;  // of the bandwidth, used
  double link_out_share = 0;
  std::vector<SimPlan> plans;  // the first and every other that came into force
  std::vector<SimPoint> timeline;
  bool complete = true;  // progress() did not end it
  std::uint64_t events = 0;
  std::uint64_t digest = 0;  // of every step and every reply
};

// The error names the option, its value and what is allowed.
std::expected<void, std::string> check_sim_options(const SimOptions& options);

// `options` have passed check_sim_options(). Takes memory for the values (keys times 500 bytes, and
// the large ones), and some 100 MiB.
SimResult simulate(const SimOptions& options);

// Requests that a core takes together unless told otherwise. A step is one event, and what it
// received cannot be stolen until it is done: so only where the real server cannot give away what
// it received is this as large as there.
std::uint32_t default_burst(PolicyKind policy, const CostModel& costs);

}  // namespace minos
