#include "calibration/loads.h"

#include <fmt/format.h>

#include <utility>

namespace minos {

namespace {

constexpr std::uint32_t kTinyBytes = 8;
constexpr std::uint32_t kFullBytes = 1400;  // of a packet

// How a load comes: closed, with so many requests under way, or so many a second.
struct Pace {
  int connections = 1;
  int depth = 1;
  int rate = 0;
};

class Suite {
 public:
  explicit Suite(const CalibrationServer& server) : suite_{server, {}} {}

  void idle() { suite_.loads.push_back({.name = named("idle")}); }
  void small(const char* name, bool set, std::uint32_t value_bytes, const Pace& pace) {
    // Two workers and a client on two CPUs take long to preload.
    const int keys = suite_.server.threads == 1 ? 100'000 : 5000;
    add(name, set, value_bytes, pace, {"--large-percent=0", fmt::format("--keys={}", keys)});
  }
  void large(const char* name, bool set, int bytes_max, const Pace& pace) {
    add(name, set, 0, pace,
        {"--large-percent=100", "--keys=1000", "--large-keys=100",
         fmt::format("--large-max={}", bytes_max)});
  }
  void mixed(const char* name, bool set, int percent, int bytes_max, const Pace& pace) {
    add(name, set, kTinyBytes, pace,
        {fmt::format("--large-percent={}", percent), "--keys=5000", "--large-keys=50",
         fmt::format("--large-max={}", bytes_max)});
  }

  CalibrationSuite take() { return std::move(suite_); }

 private:
  std::string named(const char* name) const {
    const CalibrationServer& server = suite_.server;
    std::string out = name;
    if (server.threads > 1) out += fmt::format(", {}", name_of(server.policy));
    if (server.rx_queues > server.threads) out += fmt::format(", {} queues", server.rx_queues);
    return out;
  }
  void add(const char* name, bool set, std::uint32_t value_bytes, const Pace& pace,
           std::vector<std::string> arguments) {
    arguments.push_back(set ? "--get-ratio=0" : "--get-ratio=1");
    if (set) arguments.push_back("--no-preload");
    if (value_bytes != 0) arguments.push_back(fmt::format("--value-bytes={}", value_bytes));
    arguments.push_back(fmt::format("--connections={}", pace.connections));
    if (pace.rate != 0) {
      arguments.push_back(fmt::format("--rate={}", pace.rate));
    } else {
      arguments.push_back("--closed");
      arguments.push_back(fmt::format("--depth={}", pace.depth));
    }
    suite_.loads.push_back({named(name), std::move(arguments), value_bytes, set});
  }

  CalibrationSuite suite_;
};

// What one worker with one queue does alone.
CalibrationSuite alone(ProtocolKind on) {
  const bool tcp = on == ProtocolKind::kMemcached;
  // On TCP a request at a time from each of many connections is what clients do.
  const Pace few = tcp ? Pace{.connections = 4} : Pace{.depth = 4};
  const Pace many = tcp ? Pace{.connections = 50} : Pace{.depth = 64};
  const Pace piped = tcp ? Pace{.connections = 16, .depth = 16} : Pace{.depth = 16};
  Suite suite({});
  if (on == ProtocolKind::kDpdk) suite.idle();
  suite.small("GET 8 B, one at a time", false, kTinyBytes, {});
  suite.small("GET 8 B, 10,000/s", false, kTinyBytes,
              {.connections = few.connections, .rate = 10'000});
  suite.small("GET 8 B, few at a time", false, kTinyBytes, few);
  suite.small("GET 8 B, some at a time", false, kTinyBytes, piped);
  suite.small("GET 8 B, many at a time", false, kTinyBytes, many);
  suite.small("GET 1400 B, few at a time", false, kFullBytes, few);
  suite.small("GET 1400 B, many at a time", false, kFullBytes, many);
  suite.small("SET 8 B, few at a time", true, kTinyBytes, few);
  suite.small("SET 8 B, many at a time", true, kTinyBytes, many);
  suite.small("SET 1400 B, many at a time", true, kFullBytes, many);
  suite.large("GET up to 3 KB", false, 3000, many);
  suite.large("GET up to 20 KB", false, 20'000, few);
  suite.large("GET up to 100 KB", false, 100'000, few);
  suite.large("GET up to 500 KB", false, 500'000, few);
  suite.mixed("GET, 1 % up to 500 KB", false, 1, 500'000, many);
  suite.large("SET up to 3 KB", true, 3000, many);
  suite.large("SET up to 20 KB", true, 20'000, few);
  suite.large("SET up to 100 KB", true, 100'000, few);
  suite.large("SET up to 500 KB", true, 500'000, few);
  return suite.take();
}

CalibrationSuite many_queues(ProtocolKind on) {
  Suite suite({.rx_queues = 8});
  if (on == ProtocolKind::kDpdk) suite.idle();
  suite.small("GET 8 B, few at a time", false, kTinyBytes, {.depth = 4});
  suite.small("GET 8 B, many at a time", false, kTinyBytes, {.depth = 64});
  return suite.take();
}

// Every request crosses a ring.
CalibrationSuite handing_off(ProtocolKind on) {
  const bool tcp = on == ProtocolKind::kMemcached;
  Suite suite({.policy = PolicyKind::kSoftwareHandoff, .threads = 2, .rx_queues = 2});
  const Pace many = tcp ? Pace{.connections = 32} : Pace{.depth = 32};
  suite.small("GET 8 B, many at a time", false, kTinyBytes, many);
  suite.small("SET 8 B, many at a time", true, kTinyBytes, many);
  return suite.take();
}

// Large ones do: replies, or the fragments of values.
CalibrationSuite size_aware(ProtocolKind on) {
  const bool tcp = on == ProtocolKind::kMemcached;
  Suite suite({.policy = PolicyKind::kSizeAware, .threads = 2, .rx_queues = 2});
  const Pace many = tcp ? Pace{.connections = 32} : Pace{.depth = 32};
  suite.mixed("GET, 5 % up to 20 KB", false, 5, 20'000, many);
  suite.mixed("GET, 2 % up to 100 KB", false, 2, 100'000, many);
  suite.mixed("SET, 2 % up to 100 KB", true, 2, 100'000, many);
  return suite.take();
}

CalibrationSuite stealing() {
  Suite suite({.policy = PolicyKind::kElastic, .threads = 2, .rx_queues = 2});
  suite.small("GET 8 B, few at a time", false, kTinyBytes, {.depth = 4});
  suite.small("GET 8 B, many at a time", false, kTinyBytes, {.depth = 32});
  return suite.take();
}

}  // namespace

std::vector<CalibrationSuite> calibration_suites(ProtocolKind on) {
  std::vector<CalibrationSuite> suites;
  suites.push_back(alone(on));
  if (is_datagrams(on)) suites.push_back(many_queues(on));
  suites.push_back(handing_off(on));
  suites.push_back(size_aware(on));
  if (is_datagrams(on)) suites.push_back(stealing());
  return suites;
}

// A packet, a request and its reply come one by one in every load: that they are apart is seen only
// where a ring comes between them, or where there are many packets, and less clearly than the
// machine's noise.
std::vector<CostTie> calibration_ties(ProtocolKind on) {
  std::vector<CostTie> ties = {{&CostModel::ring_out_ns, &CostModel::ring_in_ns}};
  if (on == ProtocolKind::kMemcached) {
    ties.push_back({&CostModel::receive_ns, &CostModel::reply_ns});
    ties.push_back({&CostModel::parse_ns, &CostModel::look_up_ns});
  } else {
    ties.push_back({&CostModel::receive_ns, &CostModel::parse_ns, &CostModel::look_up_ns,
                    &CostModel::reply_ns});
  }
  return ties;
}

}  // namespace minos
