#pragma once

#include <signal.h>

#include <atomic>
#include <expected>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "server/acceptor.h"
#include "server/device_plane.h"
#include "server/options.h"
#include "server/stats_report.h"
#include "server/steady_clock.h"
#include "server/worker_thread.h"
#include "transport/udp/udp_counters.h"
#include "transport/udp/udp_queues.h"
#include "worker/datagram_shared.h"
#include "worker/planner.h"

namespace minos {

// One quantum of large work on a stream: docs/results/quantum.md has the curve it was read from.
inline constexpr std::uint64_t kStreamQuantumBytes = 32 * kKiB;

// SIGTERM, SIGINT and, as for memcached, SIGUSR1.
sigset_t stop_signals();

// What a server is reached by, bound before root is given up.
struct ServerSockets {
  std::vector<Fd> listeners;
  std::vector<std::unique_ptr<UdpQueues>> udp;  // at most kUdpPlanesMax
  std::vector<std::unique_ptr<DevicePlane>> devices;
};
// Peer::plane numbers all planes; there are two kinds of devices.
inline constexpr std::size_t kUdpPlanesMax = 254;

// A whole server: the store, the workers on their threads, and on the calling thread the acceptor
// and the controller that plans each epoch.
class Server {
 public:
  // Builds everything; nothing runs yet.
  static std::expected<std::unique_ptr<Server>, std::string> create(const ServerOptions& options,
                                                                    ServerSockets sockets);
  ~Server();

  // Starts the threads: the last thing that can fail before the server serves.
  std::expected<void, std::string> start();
  // Serves until request_stop() or one of stop_signals(), which the caller has blocked.
  std::expected<void, std::string> run();
  // Any thread.
  void request_stop();

 private:
  explicit Server(const ServerOptions& options);

  std::expected<void, std::string> build_workers();
  std::vector<Plane> make_planes(std::uint16_t worker);
  void report_planes();
  std::expected<void, std::string> watch_all();
  void plan_epoch();
  void housekeep(const std::stop_token& stop);
  void wake(CoreId core) { threads_[core.value]->wake(); }

  const ServerOptions options_;
  std::vector<std::unique_ptr<DevicePlane>> devices_;  // outlive the packets that lie in rings
  SteadyClock clock_;
  std::unique_ptr<KvStore> store_;
  std::unique_ptr<const Policy> policy_;
  ConnectionRegistry registry_;  // outlives the connections that lie in rings
  Mesh mesh_;
  PlanBoard plans_;
  Planner planner_;
  std::vector<std::unique_ptr<WorkerStats>> stats_;
  std::vector<StatsReport::PlaneCounts> plane_counts_;
  std::vector<std::vector<const UdpCounters*>> udp_counters_;  // of each of udp_, by worker
  std::unique_ptr<StatsReport> report_;
  std::unique_ptr<DatagramShared> datagrams_;  // with a datagram plane
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<std::unique_ptr<UdpQueues>> udp_;
  Fd epoll_;
  Fd signals_;
  Fd epoch_timer_;
  Fd stop_event_;
  std::vector<std::unique_ptr<WorkerThread>> threads_;
  std::jthread housekeeper_;
};

}  // namespace minos
