#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/limits.h"
#include "base/units.h"
#include "sharding/policy.h"
#include "store/kv_store.h"
#include "wire/packet.h"
#include "worker/clock.h"
#include "worker/mesh.h"
#include "worker/plan_board.h"
#include "worker/worker_stats.h"

namespace minos {

struct DatagramShared;
class StepObserver;

// Packets in a quantum of a large reply by datagrams, and at most when others wait behind it:
// longer quanta cost small requests time, but less of the core's.
inline constexpr std::uint32_t kQuantumPackets = 16;
inline constexpr std::uint32_t kQuantumPacketsMax = 32;

struct WorkerConfig {
  CoreId self;
  std::uint64_t quantum_bytes = 0;
  std::uint32_t quantum_packets = kQuantumPackets;
  std::uint32_t quantum_packets_max = kQuantumPacketsMax;
  std::uint32_t burst_requests = kBurstRequestsMax;
  Nanos idle_timeout{0};  // close a connection on which nothing moved for so long; 0: never
  bool cas_enabled = true;
  bool shutdown_enabled = false;
  std::string_view version_reply = "VERSION 0\r\n";  // outlives the worker
  std::vector<DatagramPort*> planes;                 // by Peer::plane; they outlive the worker
  StepObserver* observer = nullptr;                  // of datagrams; may be null
};

// What a worker says of itself in answer to `stats`, and what it cannot know on its own.
// Implemented by the server; called on the worker's thread, off the path of small requests.
class StatsSource {
 public:
  virtual ~StatsSource() = default;
  // Appends the whole reply to `stats ARGUMENT`, END included; false when the argument is unknown.
  virtual bool append_stats(std::string_view argument, Now now, std::string& out) = 0;
  virtual void set_verbosity(std::uint32_t level) = 0;
};

// Shared by the workers of a server; all outlive them.
struct WorkerShared {
  KvStore& store;
  Mesh& mesh;
  PlanBoard& plans;
  const Policy& policy;
  const Clock& clock;
  StatsSource& stats;
  DatagramShared* datagrams = nullptr;  // set where there are planes
};

}  // namespace minos
