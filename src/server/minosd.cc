#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "server/log_level.h"
#include "server/options.h"
#include "server/process.h"
#include "server/server.h"

namespace minos {
namespace {

// Descriptors beside one per connection: epolls, events, timers, listeners, log.
constexpr std::uint64_t kOtherDescriptors = 64;
// That a name usually stands for, such as 127.0.0.1 and ::1.
constexpr std::uint64_t kAddressesPerHost = 2;

int fail(const std::string& why) {
  fmt::print(stderr, "minosd: {}\n", why);
  return 1;
}

std::expected<std::vector<Fd>, std::string> listen_on_tcp(const ServerOptions& options) {
  std::vector<Fd> listeners;
  for (const ListenAddress& address : options.listen) {
    auto bound = listen_tcp(address.host, address.port, static_cast<int>(options.backlog));
    if (!bound) return std::unexpected(bound.error());
    for (Fd& listener : *bound) listeners.push_back(std::move(listener));
  }
  return listeners;
}

std::expected<std::vector<std::unique_ptr<UdpQueues>>, std::string> open_udp(
    const ServerOptions& options) {
  UdpQueues::Options wanted;
  wanted.base_port = options.datagram_port;
  wanted.queues = options.queue_count();
  wanted.single_port = options.datagram_single_port;
  std::vector<std::unique_ptr<UdpQueues>> all;
  for (const std::string& host : options.datagram_hosts) {
    auto opened = UdpQueues::open(host, wanted);
    if (!opened) return std::unexpected(opened.error());
    for (auto& queues : *opened) {
      const std::uint32_t granted =
          std::min(queues->receive_buffer_bytes(), queues->send_buffer_bytes());
      if (granted < wanted.buffer_bytes) {
        spdlog::warn(
            "{} has socket buffers of {} KiB instead of {} KiB, so that bursts may be lost: raise "
            "net.core.rmem_max and net.core.wmem_max, or start it as root, with -u USER",
            queues->name(), granted / kKiB, wanted.buffer_bytes / kKiB);
      }
      all.push_back(std::move(queues));
    }
  }
  if (all.size() > kUdpPlanesMax) {
    return std::unexpected(fmt::format("cannot receive datagrams on {} addresses: at most {}",
                                       all.size(), kUdpPlanesMax));
  }
  return all;
}

std::expected<std::vector<std::unique_ptr<DevicePlane>>, std::string> open_devices(
    const ServerOptions& options) {
  std::vector<std::unique_ptr<DevicePlane>> all;
  for (const auto& [kind, open] :
       {std::pair{TransportKind::kDpdk, &open_dpdk}, std::pair{TransportKind::kXdp, &open_xdp}}) {
    if (!options.has(kind)) continue;
    auto opened = open(options);
    if (!opened) return std::unexpected(opened.error());
    all.push_back(std::move(*opened));
  }
  return all;
}

void block_signals() {
  const sigset_t signals = stop_signals();
  // Inherited by every thread; the server reads them from a descriptor.
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
}

std::string names_of(const ServerSockets& sockets) {
  std::vector<std::string> names;
  names.reserve(sockets.listeners.size() + sockets.udp.size());
  for (const Fd& listener : sockets.listeners) names.push_back(local_name(listener.get()));
  for (const auto& queues : sockets.udp) names.push_back(queues->name());
  for (const auto& device : sockets.devices) names.push_back(device->name());
  return fmt::format("{}", fmt::join(names, ", "));
}

// `parent` waits to hear that the daemon serves; empty unless it is one.
std::expected<void, std::string> serve(const ServerOptions& options, Fd parent) {
  // Before root is given up, as low ports and large buffers need it.
  auto listeners = listen_on_tcp(options);
  if (!listeners) return std::unexpected(listeners.error());
  auto udp = open_udp(options);
  if (!udp) return std::unexpected(udp.error());
  auto devices = open_devices(options);
  if (!devices) return std::unexpected(devices.error());
  ServerSockets sockets{std::move(*listeners), std::move(*udp), std::move(*devices)};
  if (!options.user.empty()) {
    if (auto done = become_user(options.user); !done) return done;
  }
  OwnedFile socket_file;
  OwnedFile pidfile;
  // After, so that its file belongs to the user, who has to remove it.
  if (!options.unix_socket.empty()) {
    auto listener =
        listen_unix(options.unix_socket, options.unix_mask, static_cast<int>(options.backlog));
    if (!listener) return std::unexpected(listener.error());
    socket_file = OwnedFile(options.unix_socket);
    sockets.listeners.push_back(std::move(*listener));
  }
  if (options.lock_memory) {
    if (auto done = lock_memory(); !done) return done;
  }
  const std::string where = names_of(sockets);
  auto server = Server::create(options, std::move(sockets));
  if (!server) return std::unexpected(server.error());
  if (auto started = (*server)->start(); !started) return started;
  if (!options.pidfile.empty()) {
    if (auto done = write_pidfile(options.pidfile); !done) return done;
    pidfile = OwnedFile(options.pidfile);
  }
  const bool keep_output = options.verbosity > 0;
  if (!parent || keep_output) {
    fmt::print(stderr, "minosd {} on {}: {} workers, {} sharding, {} MiB\n", kServerVersion, where,
               options.threads, name_of(options.sharding), options.memory_bytes / kMiB);
  }
  if (parent) {
    if (auto done = release_parent(std::move(parent), keep_output); !done) return done;
  }
  return (*server)->run();
}

int run(const ServerOptions& options) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("minosd"));
  set_log_level(options.verbosity);
  for (const std::uint32_t cpu : options.cpus) {
    if (!cpu_usable(cpu))
      return fail(fmt::format("--cores names CPU {}, which is not usable", cpu));
  }
  if (options.user.empty() && runs_as_root()) {
    spdlog::warn("runs as root: start it with -u USER, so that it can do no more than that user");
  }
  const std::uint64_t descriptors =
      options.connections_max + std::uint64_t{options.threads} * 2 +
      options.datagram_hosts.size() * kAddressesPerHost * options.queue_count() +
      (options.has(TransportKind::kXdp) ? kWorkersMax : 0) + kOtherDescriptors;
  if (auto raised = raise_descriptor_limit(descriptors); !raised) return fail(raised.error());
  Fd parent;
  if (options.daemon) {
    auto forked = become_daemon();
    if (!forked) return fail(forked.error());
    parent = std::move(*forked);
  }
  block_signals();
  const auto served = serve(options, std::move(parent));
  return served ? 0 : fail(served.error());
}

}  // namespace
}  // namespace minos

int main(int argc, char** argv) {
  const auto options = minos::parse_options(argc, argv);
  if (!options) {
    const minos::OptionsExit& exit = options.error();
    fmt::print(exit.to_stderr ? stderr : stdout, "{}", exit.text);
    return exit.code;
  }
  return minos::run(*options);
}
