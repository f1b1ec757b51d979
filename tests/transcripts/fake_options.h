#pragma once

#include <charconv>
#include <sstream>
#include <string>

#include "base/check.h"
#include "transcripts/transcript.h"
#include "worker/testing/fake_server.h"

namespace minos {

// The server that a transcript asks for: "-A", "-I 2m", "-I 512k".
inline FakeServer::Options options_from(const Transcript& transcript) {
  FakeServer::Options options;
  std::istringstream args(transcript.args);
  for (std::string arg; args >> arg;) {
    if (arg == "-A") {
      options.shutdown_enabled = true;
      continue;
    }
    CHECK(arg == "-I" && args >> arg);  // nothing else is known
    std::uint64_t number = 0;
    const char* end = arg.data() + arg.size() - 1;
    std::from_chars(arg.data(), end, number);
    options.item_bytes_max = number * (*end == 'm' ? kMiB : kKiB);
  }
  return options;
}

// From the start, what is longer than `threshold_bytes` is large, so that hand-offs and quanta are
// exercised.
inline void publish_threshold(FakeServer& server, std::uint64_t threshold_bytes) {
  CorePlan plan = server.plan();
  plan.version += 1;
  plan.threshold_bytes = threshold_bytes;
  for (CorePlan::Core& core : plan.cores) core.large_range.min_bytes = 0;
  server.publish(plan);
}

}  // namespace minos
