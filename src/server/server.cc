#include "server/server.h"

#include <fmt/format.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <utility>

#include "server/log_level.h"
#include "transport/udp/udp_port.h"

namespace minos {

namespace {

enum class Source : std::uint64_t { kAcceptor, kSignal, kEpoch, kStop };

ControllerOptions controller_options(const ServerOptions& options) {
  ControllerOptions out;
  out.policy = options.sharding;
  out.cores = options.threads;
  out.dispatchers = options.dispatchers;
  out.large_percentile = options.large_percentile;
  out.smoothing = options.smoothing;
  out.threshold_min_bytes = options.threshold_min_bytes();
  return out;
}

ServerOptions with_defaults(ServerOptions options) {
  if (options.quantum_bytes == 0) options.quantum_bytes = kStreamQuantumBytes;
  return options;
}

std::string errno_text() {
  return std::strerror(errno);
}

}  // namespace

sigset_t stop_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) sigaddset(&signals, signal);
  return signals;
}

Server::Server(const ServerOptions& options)
    : options_(with_defaults(options)),
      policy_(make_policy(options.sharding)),
      registry_(options.connections_max),
      mesh_(options.threads),
      plans_(Planner::initial(controller_options(options)), options.threads),
      planner_(controller_options(options), plans_, options.threads) {}

Server::~Server() {
  housekeeper_ = std::jthread();
  for (const auto& thread : threads_) thread->stop();
  threads_.clear();
}

std::expected<std::unique_ptr<Server>, std::string> Server::create(const ServerOptions& options,
                                                                   ServerSockets sockets) {
  std::unique_ptr<Server> server(new Server(options));
  StoreOptions store;
  store.memory_bytes = options.memory_bytes;
  store.item_bytes_max = options.item_bytes_max;
  store.evict = options.evict;
  store.cores = options.threads;
  auto created = KvStore::create(store);
  if (!created) return std::unexpected(created.error());
  server->store_ = std::move(*created);
  for (std::uint16_t i = 0; i < options.threads; ++i) {
    server->stats_.push_back(std::make_unique<WorkerStats>());
  }
  server->report_ = std::make_unique<StatsReport>(
      StatsReport::Shared{
          server->options_, *server->store_, server->mesh_, server->plans_, server->registry_,
          server->stats_, server->plane_counts_,
          [&server = *server](std::size_t worker) { return server.threads_[worker]->use(); }},
      SteadyClock::unix_now());
  auto acceptor = Acceptor::create(
      Acceptor::Shared{server->mesh_, server->plans_, *server->policy_, server->clock_,
                       server->registry_, options.item_bytes_max},
      std::move(sockets.listeners), [&server = *server](CoreId core) { server.wake(core); });
  if (!acceptor) return std::unexpected(acceptor.error());
  server->acceptor_ = std::move(*acceptor);
  server->udp_ = std::move(sockets.udp);
  server->devices_ = std::move(sockets.devices);
  if (options.serves_datagrams()) {
    server->datagrams_ = std::make_unique<DatagramShared>(
        *server->store_, options.threads, options.queue_count(), AddressTokens::random_secret());
  }
  if (auto built = server->build_workers(); !built) return std::unexpected(built.error());
  if (auto watched = server->watch_all(); !watched) return std::unexpected(watched.error());
  return server;
}

std::expected<void, std::string> Server::build_workers() {
  const WorkerShared shared{*store_, mesh_, plans_, *policy_, clock_, *report_, datagrams_.get()};
  for (std::uint16_t i = 0; i < options_.threads; ++i) {
    WorkerConfig config;
    config.self = CoreId{i};
    config.quantum_bytes = options_.quantum_bytes;
    config.burst_requests = options_.burst_requests;
    config.idle_timeout = options_.idle_timeout;
    config.cas_enabled = options_.cas;
    config.shutdown_enabled = options_.shutdown_command;
    config.version_reply = kVersionReply;
    std::vector<Plane> planes = make_planes(i);
    for (const Plane& plane : planes) config.planes.push_back(plane.port.get());
    auto network = Network::create(std::move(planes));
    if (!network) return std::unexpected(network.error());
    WorkerThread::Options thread;
    if (!options_.cpus.empty()) thread.cpu = options_.cpus[i];
    thread.busy_poll = options_.busy_poll;
    for (const auto& device : devices_) {
      thread.enter.emplace_back([&device = *device] { return device.enter_thread(); });
    }
    threads_.push_back(std::make_unique<WorkerThread>(
        thread, clock_, std::make_unique<Worker>(config, shared, *stats_[i]), std::move(*network)));
  }
  report_planes();
  return {};
}

void Server::report_planes() {
  for (std::size_t i = 0; i < udp_.size(); ++i) {
    plane_counts_.push_back(
        {udp_[i]->name(), [this, i] { return counts_of(*udp_[i], udp_counters_[i]); }});
  }
  for (const auto& device : devices_) {
    plane_counts_.push_back({device->name(), [&device = *device] { return device.counts(); }});
  }
}

// One worker's.
std::vector<Plane> Server::make_planes(std::uint16_t worker) {
  std::vector<Plane> planes;
  udp_counters_.resize(udp_.size());
  for (const auto& queues : udp_) {
    UdpPort::Options options;
    options.plane = static_cast<std::uint8_t>(planes.size());
    auto port = std::make_unique<UdpPort>(*queues, options);
    udp_counters_[planes.size()].push_back(&port->counters());
    Sleeper* const sleeper = port.get();
    planes.push_back({std::move(port), sleeper});
  }
  for (const auto& device : devices_) {
    planes.push_back(device->make_plane(worker, static_cast<std::uint8_t>(planes.size())));
  }
  return planes;
}

std::expected<void, std::string> Server::watch_all() {
  epoll_ = Fd(::epoll_create1(EPOLL_CLOEXEC));
  const sigset_t signals = stop_signals();
  signals_ = Fd(::signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  epoch_timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  stop_event_ = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  const auto watch = [&](int fd, Source source) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.u64 = static_cast<std::uint64_t>(source);
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &wanted) == 0;
  };
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(options_.epoch);
  const Nanos rest = options_.epoch - seconds;
  const timespec period{static_cast<time_t>(seconds.count()), static_cast<long>(rest.count())};
  const itimerspec every{period, period};
  if (!watch(signals_.get(), Source::kSignal) || !watch(epoch_timer_.get(), Source::kEpoch) ||
      !watch(stop_event_.get(), Source::kStop) ||
      !watch(acceptor_->descriptor(), Source::kAcceptor) ||
      ::timerfd_settime(epoch_timer_.get(), 0, &every, nullptr) != 0) {
    return std::unexpected(fmt::format("cannot watch for signals: {}", errno_text()));
  }
  return {};
}

std::expected<void, std::string> Server::start() {
  try {
    for (const auto& thread : threads_) {
      thread->start([this](CoreId core) { wake(core); }, [this] { request_stop(); });
    }
    housekeeper_ = std::jthread([this](const std::stop_token& stop) { housekeep(stop); });
  } catch (const std::system_error& error) {
    return std::unexpected(
        fmt::format("cannot start {} threads: {}", threads_.size() + 1, error.code().message()));
  }
  return {};
}

std::expected<void, std::string> Server::run() {
  for (;;) {
    std::array<epoll_event, 8> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(), -1);
    if (count < 0 && errno != EINTR) {
      return std::unexpected(fmt::format("epoll failed: {}", errno_text()));
    }
    for (int i = 0; i < count; ++i) {
      switch (static_cast<Source>(events[static_cast<std::size_t>(i)].data.u64)) {
        case Source::kAcceptor:
          acceptor_->accept_some();
          break;
        case Source::kEpoch: {
          std::uint64_t ticks = 0;
          if (::read(epoch_timer_.get(), &ticks, sizeof ticks) > 0) plan_epoch();
          break;
        }
        case Source::kSignal:
        case Source::kStop:
          spdlog::info("stopping");
          return {};
      }
    }
  }
}

void Server::request_stop() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(stop_event_.get(), &one, sizeof one);
}

void Server::plan_epoch() {
  if (!planner_.end_epoch(stats_)) return;
  const CorePlan& plan = *plans_.current();
  spdlog::debug("plan {}: threshold {} bytes, {} small, {} large cores", plan.version,
                plan.threshold_bytes, plan.count(CoreRole::kSmall), plan.count(CoreRole::kLarge));
  // A worker that sleeps through many plans would keep them all alive, and while it sleeps it waits
  // for datagrams in the queues of the plan that it has: nobody else may ask for those of the next.
  constexpr std::size_t kPlansMax = 16;
  const bool sleep_by_queue = !udp_.empty() || options_.has(TransportKind::kXdp);
  if (plans_.retained() > kPlansMax || sleep_by_queue) {
    for (const auto& thread : threads_) thread->wake();
  }
}

// Touches memory ahead of the workers; often while they fill it, seldom while nothing happens, but
// within the time in which a fast upload uses up what lies ahead.
void Server::housekeep(const std::stop_token& stop) {
  constexpr std::uint64_t kPrefaultBytes = 64 * kMiB;
  constexpr auto kPauseMax = std::chrono::milliseconds(80);
  std::mutex mutex;
  std::condition_variable_any wakeup;
  auto pause = std::chrono::milliseconds(5);
  std::unique_lock lock(mutex);
  while (!stop.stop_requested()) {
    const bool worked = store_->prefault(kPrefaultBytes) != 0;
    pause = worked ? std::chrono::milliseconds(5) : std::min(pause * 2, kPauseMax);
    wakeup.wait_for(lock, stop, pause, [] { return false; });
  }
}

}  // namespace minos
