#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <vector>

#include "experiment/point.h"

namespace minos {

// A load on one server.
struct LiveLoad {
  std::optional<double> rate_per_s{};  // of an open loop; nothing: a closed one, as fast as it goes
  double seconds = 1;                  // measured
};

// The servers of a workload, one for each policy, of which only the one that is loaded runs. One
// thread at a time.
class LiveServers {
 public:
  virtual ~LiveServers() = default;

  // Ends those of the workload before; starts and fills new ones.
  virtual std::expected<void, SideBySideError> start(const Workload& workload,
                                                     std::span<const PolicyKind> policies) = 0;

  // What came of a load. Nothing is known of load, capacity and mean service time.
  virtual std::expected<PointResult, SideBySideError> load(PolicyKind policy,
                                                           const LiveLoad& load) = 0;
};

// Points of real servers: the policies take turns, again and again, and a point is the median of
// its turns, so that what else the machine does hits all alike. One thread at a time.
class LivePoints {
 public:
  struct Options {
    double turn_seconds = 1;
    std::uint32_t turns = 3;
    std::uint32_t cores = 1;  // of a server
  };

  LivePoints(LiveServers& servers, const Options& options) : servers_(servers), options_(options) {}

  // Points of one workload after the other: a new one starts new servers and finds its capacity.
  std::expected<std::vector<PointResult>, SideBySideError> measure(
      const Workload& workload, double load, std::span<const PolicyKind> policies);

 private:
  std::expected<void, SideBySideError> begin(const Workload& workload,
                                             std::span<const PolicyKind> policies);

  LiveServers& servers_;
  Options options_;
  std::optional<Workload> workload_;
  double capacity_per_s_ = 0;
};

// The capacity of a workload, the same for all policies: the highest rate of an open loop that is
// served, within 1/64, under the policy that serves most in a closed loop. Of two tries one must
// succeed, since a pause of the machine is no lack of capacity. Requests/s.
std::expected<double, SideBySideError> find_capacity(LiveServers& servers,
                                                     std::span<const PolicyKind> policies);

// The order of a turn: each policy is first, second, ... equally often.
std::vector<PolicyKind> order_of_turn(std::span<const PolicyKind> policies, std::uint32_t turn);

// Figure by figure the median of `turns`, which is not empty; counts are their sums, and the plan
// is that of the last.
PointResult median_of_turns(std::span<const PointResult> turns);

}  // namespace minos
