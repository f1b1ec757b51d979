#pragma once

#include <atomic>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/address.h"
#include "experiment/live_plan.h"
#include "experiment/live_points.h"
#include "load/datagram_loop.h"
#include "load/options.h"
#include "load/server_process.h"

namespace minos {

// What a slice is at least long, in ms, so that a percentile of it shows the server and not the
// pauses of the machine; longer where fewer than 200 requests would be due in it.
std::int64_t slice_ms_of(LiveTransport transport, double rate_per_s);

// Connects a load to the virtio socket of a server with so many queues, the first on that UDP port.
using ConnectVhost =
    std::function<OpenChannels(const std::string& vhost, std::uint16_t port, std::uint16_t queues)>;

struct LiveServerOptions {
  LiveTransport transport = LiveTransport::kUdp;
  std::string minosd{};                      // path of the program
  std::vector<std::uint32_t> server_cpus{};  // one worker on each, not empty
  std::uint32_t client_cpu = 0;
  std::uint32_t keys = 100'000;
  std::uint32_t large_keys = 100;
  std::uint64_t seed = 1;
  ConnectVhost connect_vhost{};  // for kDpdk
  // Ends a load early; must outlive the servers.
  const std::atomic<bool>* interrupted = nullptr;
};

// Of `minos`, the rest of this program: servers of this machine, minosd on CPUs of their own, all
// on the same ones, and the load generator on another.
class LocalServers final : public LiveServers {
 public:
  explicit LocalServers(LiveServerOptions options) : options_(std::move(options)) {}

  std::expected<void, SideBySideError> start(const Workload& workload,
                                             std::span<const PolicyKind> policies) override;
  std::expected<PointResult, SideBySideError> load(PolicyKind policy,
                                                   const LiveLoad& load) override;

 private:
  struct Server {
    PolicyKind policy = PolicyKind::kElastic;
    std::unique_ptr<ServerProcess> process{};
    std::uint16_t port = 0;  // TCP, and UDP of its first queue
    std::string vhost{};
  };

  OpenChannels channels_to(const Server& server) const;
  std::expected<Server, std::string> start_one(PolicyKind policy, std::uint64_t memory_mib);
  LoadOptions load_options(const Server& server) const;
  std::expected<PointResult, std::string> run(Server& server, const LoadOptions& load) const;
  std::expected<void, std::string> preload(Server& server) const;
  bool interrupted() const;

  LiveServerOptions options_;
  Workload workload_;
  std::optional<TemporaryFolder> folder_;  // of sockets; outlives the servers
  std::vector<Server> servers_;
};

}  // namespace minos
