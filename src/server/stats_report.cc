#include "server/stats_report.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <type_traits>
#include <utility>

#include "server/log_level.h"

namespace minos {

namespace {

template <typename Value>
void stat(std::string& out, std::string_view name, const Value& value) {
  fmt::format_to(std::back_inserter(out), "STAT {} {}\r\n", name, value);
}

void stat_time(std::string& out, std::string_view name, const timeval& time) {
  fmt::format_to(std::back_inserter(out), "STAT {} {}.{:06}\r\n", name, time.tv_sec, time.tv_usec);
}

struct NamedCounter {
  const char* name;
  Counter counter;
};
constexpr NamedCounter kGeneralCounters[] = {
    {"cmd_get", Counter::kCmdGet},
    {"cmd_set", Counter::kCmdSet},
    {"cmd_flush", Counter::kCmdFlush},
    {"cmd_touch", Counter::kCmdTouch},
    {"get_hits", Counter::kGetHits},
    {"get_misses", Counter::kGetMisses},
    {"delete_misses", Counter::kDeleteMisses},
    {"delete_hits", Counter::kDeleteHits},
    {"incr_misses", Counter::kIncrMisses},
    {"incr_hits", Counter::kIncrHits},
    {"decr_misses", Counter::kDecrMisses},
    {"decr_hits", Counter::kDecrHits},
    {"cas_misses", Counter::kCasMisses},
    {"cas_hits", Counter::kCasHits},
    {"cas_badval", Counter::kCasBadval},
    {"touch_hits", Counter::kTouchHits},
    {"touch_misses", Counter::kTouchMisses},
    {"store_too_large", Counter::kTooLarge},
    {"store_no_memory", Counter::kOutOfMemory},
    {"bytes_read", Counter::kBytesRead},
    {"bytes_written", Counter::kBytesWritten},
    {"idle_kicks", Counter::kIdleClosed},
    {"stalled_uploads_closed", Counter::kStalledUploads},
};

constexpr NamedCounter kCoreCounters[] = {
    {"requests", Counter::kRequests},
    {"cmd_set", Counter::kCmdSet},
    {"large_requests", Counter::kLargeRequests},
    {"quanta", Counter::kQuanta},
    {"steps", Counter::kSteps},
    {"idle_steps", Counter::kIdleSteps},
    {"bursts", Counter::kBursts},
    {"hand_offs_in", Counter::kHandOffsIn},
    {"hand_offs_out", Counter::kHandOffsOut},
    {"offered", Counter::kOffered},
    {"migrated", Counter::kMigrated},
    {"ring_full", Counter::kRingFull},
    {"memory_waits", Counter::kMemoryWaits},
    {"buffer_denied", Counter::kBufferDenied},
    {"reads", Counter::kReads},
    {"sends", Counter::kSends},
    {"bytes_read", Counter::kBytesRead},
    {"bytes_written", Counter::kBytesWritten},
    {"empty_polls", Counter::kEmptyPolls},
    {"datagrams", Counter::kDatagrams},
    {"rx_stolen", Counter::kRxStolen},
    {"set_fragments", Counter::kSetFragments},
    {"replies", Counter::kReplies},
    {"reply_fragments", Counter::kReplyFragments},
    {"value_bytes", Counter::kValueBytes},
    {"datagrams_foreign", Counter::kDatagramsForeign},
    {"datagrams_other_version", Counter::kDatagramsOtherVersion},
    {"datagrams_malformed", Counter::kDatagramsMalformed},
    {"unproven_addresses", Counter::kUnprovenAddresses},
    {"repeated_writes", Counter::kRepeatedWrites},
    {"stale_writes", Counter::kStaleWrites},
    {"busy", Counter::kBusy},
    {"replies_dropped", Counter::kRepliesDropped},
    {"fragments_dropped", Counter::kFragmentsDropped},
    {"assemblies_expired", Counter::kAssembliesExpired},
    {"datagrams_dropped", Counter::kDatagramsDropped},
    {"stolen", Counter::kStolen},
};

// Requests that end without a value, read or written. A touch that hits is not among them: it may
// have been a gat, whose value is counted by its size.
constexpr Counter kWithoutValue[] = {
    Counter::kGetMisses, Counter::kTouchMisses, Counter::kDeleteHits, Counter::kDeleteMisses,
    Counter::kIncrHits,  Counter::kIncrMisses,  Counter::kDecrHits,   Counter::kDecrMisses,
};

// A gauge that is the sum of what several threads count up and down: read while one of them moves
// something from here to there, it may be below nothing for a moment.
template <typename Gauge>
Gauge at_least_none(Gauge gauge) {
  return static_cast<std::make_signed_t<Gauge>>(gauge) < 0 ? Gauge{0} : gauge;
}

std::string_view name_of(ReportClass report_class) {
  constexpr std::string_view kNames[] = {"tiny", "small", "medium", "large"};
  return kNames[static_cast<std::size_t>(report_class)];
}

}  // namespace

StatsReport::StatsReport(const Shared& shared, UnixSeconds started)
    : shared_(shared), started_(started) {
  Baseline start;
  start.workers.resize(shared.workers.size());
  baseline_ = std::make_shared<const Baseline>(std::move(start));
}

bool StatsReport::append_stats(std::string_view argument, Now now, std::string& out) {
  if (argument.empty()) {
    general(now, out);
  } else if (argument == "settings") {
    settings(out);
  } else if (argument == "items") {
    items(out);
  } else if (argument == "sizes") {
    sizes(out);
  } else if (argument == "conns") {
    connections(now, out);
  } else if (argument == "minos") {
    minos(out);
  } else if (argument == "minos sizes") {
    size_classes(now, out);
  } else if (argument == "slabs") {
    stat(out, "active_slabs", 0);
    stat(out, "total_malloced", shared_.store.memory().used_bytes);
  } else if (argument == "reset") {
    reset(now);
    out += "RESET\r\n";
    return true;
  } else {
    return false;
  }
  out += "END\r\n";
  return true;
}

void StatsReport::set_verbosity(std::uint32_t level) {
  set_log_level(level);
}

std::shared_ptr<const StatsReport::Baseline> StatsReport::baseline() const {
  const std::lock_guard lock(mutex_);
  return baseline_;
}

std::uint64_t StatsReport::count(const Baseline& from, std::size_t worker, Counter counter) const {
  const std::uint64_t then = from.workers[worker].counters[static_cast<std::size_t>(counter)];
  return shared_.workers[worker]->get(counter) - then;
}

std::uint64_t StatsReport::total(const Baseline& from, Counter counter) const {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < shared_.workers.size(); ++i) sum += count(from, i, counter);
  return sum;
}

Histogram StatsReport::merged(HistogramOf which, std::size_t report_class) const {
  Histogram all;
  for (const auto& worker : shared_.workers) {
    all.merge(((*worker).*which)[report_class].snapshot());
  }
  return all;
}

void StatsReport::reset(Now at) {
  Baseline now;
  now.at = at.mono;
  now.workers.resize(shared_.workers.size());
  for (std::size_t i = 0; i < now.workers.size(); ++i) {
    for (std::size_t c = 0; c < kCounters; ++c) {
      now.workers[i].counters[c] = shared_.workers[i]->get(static_cast<Counter>(c));
    }
    shared_.workers[i]->sizes_since(now.workers[i].sizes);
    now.workers[i].thread = shared_.thread_use(i);
  }
  for (std::size_t i = 0; i < kReportClasses; ++i) {
    now.queue_wait_ns[i] = merged(&WorkerStats::queue_wait_ns, i);
    now.service_ns[i] = merged(&WorkerStats::service_ns, i);
  }
  for (const PlaneCounts& plane : shared_.planes) now.planes.push_back(plane.read());
  now.store = shared_.store.stats();
  now.connections_opened = shared_.registry.opened_total();
  now.connections_rejected = shared_.registry.rejected_total();
  auto next = std::make_shared<const Baseline>(std::move(now));
  const std::lock_guard lock(mutex_);
  baseline_ = std::move(next);
}

void StatsReport::general(Now now, std::string& out) const {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const MemoryUse memory = shared_.store.memory();
  const std::shared_ptr<const Baseline> from = baseline();
  const StoreStats store = shared_.store.stats();
  stat(out, "pid", ::getpid());
  stat(out, "uptime", now.unix_s - started_);
  stat(out, "time", now.unix_s);
  stat(out, "version", kServerVersion);
  stat(out, "pointer_size", sizeof(void*) * 8);
  stat_time(out, "rusage_user", usage.ru_utime);
  stat_time(out, "rusage_system", usage.ru_stime);
  stat(out, "max_connections", shared_.registry.capacity());
  stat(out, "curr_connections", shared_.registry.open_count());
  stat(out, "total_connections", shared_.registry.opened_total() - from->connections_opened);
  stat(out, "rejected_connections", shared_.registry.rejected_total() - from->connections_rejected);
  stat(out, "connection_structures", shared_.registry.open_count());
  for (const auto& counter : kGeneralCounters) {
    stat(out, counter.name, total(*from, counter.counter));
  }
  stat(out, "limit_maxbytes", memory.limit_bytes);
  stat(out, "accepting_conns", 1);
  stat(out, "threads", shared_.options.threads);
  stat(out, "hash_bytes", memory.index_bytes);
  stat(out, "bytes", at_least_none(store.item_bytes));
  stat(out, "curr_items", at_least_none(store.items));
  stat(out, "total_items", store.items_total - from->store.items_total);
  stat(out, "evictions", store.evictions - from->store.evictions);
  stat(out, "reclaimed", store.expired - from->store.expired);
  stat(out, "memory_used_bytes", memory.used_bytes);
}

void StatsReport::settings(std::string& out) const {
  const ServerOptions& options = shared_.options;
  stat(out, "maxbytes", options.memory_bytes);
  stat(out, "maxconns", options.connections_max);
  stat(out, "tcpport", options.port);
  stat(out, "udpport", 0);
  std::string interfaces;
  for (const ListenAddress& address : options.listen) {
    if (!interfaces.empty()) interfaces += ',';
    interfaces += fmt::format("{}:{}", address.host, address.port);
  }
  stat(out, "inter", interfaces);
  stat(out, "verbosity", log_level());
  stat(out, "evictions", options.evict ? "on" : "off");
  stat(out, "domain_socket", options.unix_socket.empty() ? "NULL" : options.unix_socket);
  stat(out, "umask", fmt::format("{:o}", options.unix_mask));
  stat(out, "num_threads", options.threads);
  stat(out, "cas_enabled", options.cas ? "yes" : "no");
  stat(out, "tcp_backlog", options.backlog);
  stat(out, "item_size_max", options.item_bytes_max);
  stat(out, "idle_timeout", options.idle_timeout.count());
  stat(out, "shutdown_command", options.shutdown_command ? "yes" : "no");
  stat(out, "sharding", name_of(options.sharding));
  stat(out, "dispatchers", options.dispatchers);
  stat(out, "quantum_bytes", options.quantum_bytes);
  stat(out, "epoch_ms", options.epoch.count());
  stat(out, "large_percentile", options.large_percentile);
  stat(out, "smoothing", options.smoothing);
  stat(out, "busy_poll_us", options.busy_poll.count());
}

void StatsReport::items(std::string& out) const {
  // memcached numbers its slab classes; here 1 is what is stored inline, 2 what is stored in
  // chunks.
  const StoreStats store = shared_.store.stats();
  const std::uint64_t items = at_least_none(store.items);
  const std::uint64_t large = at_least_none(store.large_items);
  if (items > large) stat(out, "items:1:number", items - large);
  if (large != 0) stat(out, "items:2:number", large);
  if (items != 0) {
    stat(out, "items:1:evicted", store.evictions - baseline()->store.evictions);
  }
}

SizeCounts StatsReport::sizes_since(const Baseline& from) const {
  SizeCounts all;
  for (std::size_t i = 0; i < shared_.workers.size(); ++i) {
    SizeCounts then = from.workers[i].sizes;
    all.merge(shared_.workers[i]->sizes_since(then));
  }
  return all;
}

// Requested value sizes, by power of two.
void StatsReport::sizes(std::string& out) const {
  const SizeCounts counts = sizes_since(*baseline());
  SizeHistogram all = counts.read;
  all.merge(counts.written);
  std::size_t next = 0;
  for (std::uint64_t upper = 32; upper <= kItemBytesMax; upper *= 2) {
    std::uint64_t count = 0;
    for (; next < kSizeClasses && upper_bytes(next) <= upper; ++next) count += all.count(next);
    if (count != 0) stat(out, fmt::format("{}", upper), count);
  }
}

// The same as exactly as the controller sees it, and what else is needed to repeat the load: two
// answers tell what came in between, by the server's own clock.
void StatsReport::size_classes(Now now, std::string& out) const {
  const std::shared_ptr<const Baseline> from = baseline();
  stat(out, "counted_us", std::max<std::int64_t>((now.mono - from->at).count(), 0) / 1000);
  std::uint64_t without_value = 0;
  for (const Counter counter : kWithoutValue) without_value += total(*from, counter);
  stat(out, "without_value", without_value);
  const SizeCounts counts = sizes_since(*from);
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    const auto line = [&](std::string_view what, std::uint64_t count) {
      if (count == 0) return;
      stat(out, fmt::format("size:{}:{}:{}", lower_bytes(i), upper_bytes(i), what), count);
    };
    line("read", counts.read.count(i));
    line("written", counts.written.count(i));
  }
}

void StatsReport::connections(Now now, std::string& out) const {
  shared_.registry.for_each([&](const ConnectionRegistry::Entry& entry) {
    const std::string id = std::to_string(entry.handle);
    stat(out, id + ":addr", entry.peer);
    stat(out, id + ":listen_addr", entry.local);
    stat(out, id + ":secs_since_last_cmd", now.unix_s - std::min(now.unix_s, entry.last_command));
  });
}

void StatsReport::minos(std::string& out) const {
  const CorePlan& plan = *shared_.plans.current();
  const std::shared_ptr<const Baseline> from = baseline();
  stat(out, "policy", name_of(shared_.options.sharding));
  stat(out, "plan_version", plan.version);
  stat(out, "threshold_bytes", plan.threshold_bytes);
  stat(out, "threshold_min_bytes", shared_.options.threshold_min_bytes());
  stat(out, "small_cost_share", fmt::format("{:.4f}", plan.small_cost_share));
  stat(out, "quantum_bytes", shared_.options.quantum_bytes);
  for (std::uint16_t i = 0; i < plan.core_count(); ++i) {
    const CorePlan::Core& core = plan.cores[i];
    const std::string name = fmt::format("core:{}:", i);
    stat(out, name + "role", name_of(core.role));
    if (owns_large(core.role)) {
      stat(out, name + "large_min_bytes", core.large_range.min_bytes);
      stat(out, name + "large_max_bytes", core.large_range.max_bytes);
    }
    stat(out, name + "connections", at_least_none(shared_.mesh.connections(CoreId{i})));
    const ThreadUse use = shared_.thread_use(i);
    const ThreadUse& then = from->workers[i].thread;
    stat(out, name + "cpu_us", (use.cpu_time - then.cpu_time) / micros(1));
    stat(out, name + "rests", use.rests - then.rests);
    for (const auto& [what, counter] : kCoreCounters) {
      stat(out, name + what, count(*from, i, counter));
    }
  }
  planes(*from, out);
  classes(*from, out);
}

void StatsReport::planes(const Baseline& from, std::string& out) const {
  for (std::size_t i = 0; i < shared_.planes.size(); ++i) {
    const std::string plane = fmt::format("plane:{}:", i);
    stat(out, plane + "name", shared_.planes[i].name);
    const std::vector<PlaneCount> counts = shared_.planes[i].read();
    for (std::size_t c = 0; c < counts.size(); ++c) {
      // Before the first reset there is nothing to take away.
      const std::uint64_t then = from.planes.empty() ? 0 : from.planes[i][c].count;
      stat(out, plane + std::string(counts[c].name), counts[c].count - then);
    }
  }
}

void StatsReport::classes(const Baseline& from, std::string& out) const {
  for (std::size_t i = 0; i < kReportClasses; ++i) {
    Histogram wait = merged(&WorkerStats::queue_wait_ns, i);
    wait.subtract(from.queue_wait_ns[i]);
    Histogram service = merged(&WorkerStats::service_ns, i);
    service.subtract(from.service_ns[i]);
    const std::string_view name = name_of(static_cast<ReportClass>(i));
    stat(out, fmt::format("{}:count", name), wait.count());
    const auto quantiles = [&](std::string_view what, const Histogram& histogram) {
      constexpr struct {
        std::string_view name;
        double share;
      } kShares[] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};
      for (const auto& share : kShares) {
        stat(out, fmt::format("{}:{}_{}_us", name, what, share.name),
             fmt::format("{:.1f}", static_cast<double>(histogram.quantile(share.share)) / 1000.0));
      }
    };
    quantiles("queue_wait", wait);
    quantiles("service", service);
  }
}

}  // namespace minos
