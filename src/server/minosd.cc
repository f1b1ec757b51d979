#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

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

int fail(const std::string& why) {
  fmt::print(stderr, "minosd: {}\n", why);
  return 1;
}

std::expected<std::vector<Fd>, std::string> open_listeners(const ServerOptions& options) {
  const int backlog = static_cast<int>(options.backlog);
  std::vector<Fd> listeners;
  if (!options.unix_socket.empty()) {
    auto listener = listen_unix(options.unix_socket, options.unix_mask, backlog);
    if (!listener) return std::unexpected(listener.error());
    listeners.push_back(std::move(*listener));
    return listeners;
  }
  for (const ListenAddress& address : options.listen) {
    auto bound = listen_tcp(address.host, address.port, backlog);
    if (!bound) return std::unexpected(bound.error());
    for (Fd& listener : *bound) listeners.push_back(std::move(listener));
  }
  return listeners;
}

void block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  // Inherited by every thread; the server reads them from a descriptor.
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);
}

std::expected<void, std::string> prepare_process(const ServerOptions& options) {
  const std::uint64_t descriptors =
      options.connections_max + std::uint64_t{options.threads} * 2 + kOtherDescriptors;
  if (auto done = raise_descriptor_limit(descriptors); !done) return done;
  if (!options.user.empty()) {
    if (auto done = become_user(options.user); !done) return done;
  }
  if (options.daemon) {
    if (auto done = become_daemon(options.verbosity > 0); !done) return done;
  }
  if (options.lock_memory) {
    if (auto done = lock_memory(); !done) return done;
  }
  if (!options.pidfile.empty()) return write_pidfile(options.pidfile);
  return {};
}

void announce(const ServerOptions& options, const std::vector<Fd>& listeners) {
  std::string where;
  for (const Fd& listener : listeners) {
    if (!where.empty()) where += ", ";
    where += local_name(listener.get());
  }
  fmt::print(stderr, "minosd {} on {}: {} workers, {} sharding, {} MiB\n", kServerVersion, where,
             options.threads, name_of(options.sharding), options.memory_bytes / kMiB);
}

int run(const ServerOptions& options) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("minosd"));
  set_log_level(options.verbosity);
  block_signals();
  for (const std::uint32_t cpu : options.cpus) {
    if (!cpu_usable(cpu))
      return fail(fmt::format("--cores names CPU {}, which is not usable", cpu));
  }
  auto listeners = open_listeners(options);
  if (!listeners) return fail(listeners.error());
  if (!options.daemon) announce(options, *listeners);
  if (auto ready = prepare_process(options); !ready) return fail(ready.error());
  auto server = Server::create(options, std::move(*listeners));
  if (!server) return fail(server.error());
  const auto served = (*server)->run();
  server->reset();
  if (!options.pidfile.empty()) ::unlink(options.pidfile.c_str());
  if (!options.unix_socket.empty()) ::unlink(options.unix_socket.c_str());
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
