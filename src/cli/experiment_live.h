#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "experiment/live_points.h"
#include "experiment/live_servers.h"
#include "experiment/report.h"

namespace minos {

// What the user asks of experiments on a real server.
struct LiveArguments {
  std::string on;           // a name of LiveTransport
  std::string minosd;       // empty: the one beside this program
  std::uint32_t cores = 0;  // of the server; 0: all but one
  double seconds = 3;
  std::uint32_t repeats = 3;
  std::uint32_t keys = 0;
  std::uint32_t large_keys = 0;
  std::uint64_t seed = 0;
};

struct LiveSetup {
  LivePoints::Options points{};
  LiveServerOptions servers{};
  LiveFacts facts{};
};

// Looks at the machine; over DPDK also starts it in this process. Errors: sentences that name the
// option.
std::expected<LiveSetup, std::string> set_up_live(const LiveArguments& arguments,
                                                  const std::atomic<bool>* interrupted);

}  // namespace minos
