#pragma once

#include <atomic>
#include <string>

#include "sim/simulation.h"

namespace minos {

struct SimFromOptions {
  std::string server;     // HOST:PORT, or a URL of the client
  double over_s = 10;     // what comes in this time; 0: since the server's start
  bool own_rate = false;  // `base` has a rate or a load: not the server's rate then
  unsigned jobs = 1;
  bool quiet = false;
  bool json = false;
  std::string json_file;  // empty: JSON goes to standard output
  // What the server does not know: costs, network, number of requests, seed.
  SimOptions base;
};

// `minos sim --from`: watches a server, simulates what it and others would do under its load, and
// prints that. Ends early once `interrupted`. Returns the exit code.
int run_sim_from(const SimFromOptions& options, const std::atomic<bool>& interrupted);

}  // namespace minos
