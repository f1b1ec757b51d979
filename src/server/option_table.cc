#include "server/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <iterator>

namespace minos {
namespace {

constexpr std::uint64_t kMemoryBytesMin = 8 * kMiB;
constexpr std::uint64_t kItemBytesMin = kKiB;
constexpr std::uint64_t kConnectionsMax = 1'000'000;
constexpr std::uint64_t kQuantumBytesMin = 16 * kKiB;
constexpr std::uint64_t kQuantumBytesMax = 64 * kMiB;
constexpr std::uint64_t kSecondsMax = 365ULL * 24 * 3600;

template <typename Field, typename Value>
Parsed<void> assign(Field& field, const Parsed<Value>& value) {
  if (!value) return std::unexpected(value.error());
  field = static_cast<Field>(*value);
  return {};
}

Parsed<void> assign_text(std::string& field, std::string_view value) {
  if (value.empty()) return std::unexpected("must not be empty");
  field = value;
  return {};
}

Parsed<void> set_flag(bool& field, bool value) {
  field = value;
  return {};
}

Parsed<void> add_listen(ServerOptions& o, std::string_view value) {
  for (const std::string_view part : split(value, ',')) {
    auto address = parse_listen(part, o.port);  // --port is applied before
    if (!address) return std::unexpected(address.error());
    o.listen.push_back(*std::move(address));
  }
  return {};
}

Parsed<void> set_percentile(ServerOptions& o, std::string_view value) {
  const auto number = parse_number(value);
  if (!number || !(*number > 0 && *number < 100)) {
    return std::unexpected("must be a number above 0 and below 100");
  }
  o.large_percentile = *number;
  return {};
}

Parsed<void> set_smoothing(ServerOptions& o, std::string_view value) {
  const auto number = parse_number(value);
  if (!number || !(*number > 0 && *number <= 1)) {
    return std::unexpected("must be a number above 0 and at most 1");
  }
  o.smoothing = *number;
  return {};
}

Parsed<void> set_quantum(ServerOptions& o, std::string_view value) {
  if (value == "0") {
    o.quantum_bytes = 0;
    return {};
  }
  return assign(o.quantum_bytes, parse_size(value, 1, kQuantumBytesMin, kQuantumBytesMax));
}

Parsed<void> set_burst(ServerOptions& o, std::string_view value) {
  const auto number = parse_whole(value, 1, 1'000'000);
  if (!number) return std::unexpected(number.error());
  o.burst_requests =
      static_cast<std::uint32_t>(std::min<std::uint64_t>(*number, kBurstRequestsMax));
  return {};
}

Parsed<void> add_transports(ServerOptions& o, std::string_view value) {
  for (const std::string_view part : split(value, ',')) {
    const auto kind = parse_transport(part);
    if (!kind) return std::unexpected(kind.error());
    if (!o.has(*kind)) o.transports.push_back(*kind);
  }
  return {};
}

Parsed<void> refuse_udp(ServerOptions&, std::string_view value) {
  if (value == "0") return {};
  return std::unexpected(
      "must be 0 (off): memcached's UDP protocol is not spoken; --transport=udp speaks the Minos "
      "datagram protocol");
}

// What memcached's -o can tune and Minos has no counterpart of, so that ignoring it is right.
constexpr std::string_view kExtendedIgnored[] = {
    "modern",         "maxconns_fast",  "no_maxconns_fast",  "lru_crawler",
    "no_lru_crawler", "lru_maintainer", "no_lru_maintainer", "lru_crawler_sleep",
    "hashpower",      "no_hashexpand",  "hash_algorithm",    "lru_crawler_tocrawl",
    "slab_reassign",  "slab_automove",  "no_slab_reassign",  "no_slab_automove",
    "hot_lru_pct",    "warm_lru_pct",   "hot_max_factor",    "warm_max_factor",
};

Parsed<void> set_extended(ServerOptions& o, std::string_view value) {
  for (const std::string_view part : split(value, ',')) {
    const std::size_t equals = part.find('=');
    const std::string_view name = part.substr(0, equals);
    if (name == "idle_timeout") {
      const auto text = equals == part.npos ? std::string_view() : part.substr(equals + 1);
      const auto seconds = parse_whole(text, 0, kSecondsMax);
      if (!seconds) return std::unexpected("idle_timeout " + seconds.error());
      o.idle_timeout = std::chrono::seconds(*seconds);
    } else if (std::ranges::find(kExtendedIgnored, name) == std::end(kExtendedIgnored)) {
      return std::unexpected(
          fmt::format("sub-option \"{}\" is not supported; allowed: idle_timeout=SECONDS, and, "
                      "without effect, {}",
                      name, fmt::join(kExtendedIgnored, ", ")));
    }
  }
  return {};
}

using K = OptionKind;
using O = ServerOptions;
using V = std::string_view;

constexpr OptionRow kNetwork[] = {
    {'p', "port", K::kInteger, "PORT", "11211", "TCP port; 0 = any free port, told in the log",
     [](O& o, V v) { return assign(o.port, parse_whole(v, 0, 65535)); }},
    {'l', "listen", K::kList, "ADDR[,ADDR]", "127.0.0.1",
     "addresses to listen on: HOST, HOST:PORT, [IPV6]:PORT, or * for all; repeatable. Unlike "
     "memcached, Minos stays on loopback unless told otherwise: whoever reaches the port may read "
     "and write everything",
     add_listen},
    {'s', "unix-socket", K::kText, "PATH", "", "listen on this unix socket instead of TCP",
     [](O& o, V v) { return assign_text(o.unix_socket, v); }},
    {'a', "unix-mask", K::kText, "MODE", "700", "access mode of the unix socket, in octal",
     [](O& o, V v) { return assign(o.unix_mask, parse_octal(v, 0777)); }},
    {'c', "conn-limit", K::kInteger, "N", "1024", "connections at the same time",
     [](O& o, V v) { return assign(o.connections_max, parse_whole(v, 1, kConnectionsMax)); }},
    {'b', "listen-backlog", K::kInteger, "N", "1024", "connections waiting to be accepted",
     [](O& o, V v) { return assign(o.backlog, parse_whole(v, 1, 65535)); }},
    {0, "idle-timeout", K::kInteger, "SECONDS", "0",
     "close connections that are silent for so many seconds; 0 = never",
     [](O& o, V v) { return assign(o.idle_timeout, parse_whole(v, 0, kSecondsMax)); }},
    {0, "transport", K::kList, "LIST", "tcp",
     "any of tcp = memcached's protocol; udp = the Minos datagram protocol over the kernel's UDP; "
     "dpdk = the same over a device of DPDK, whose workers poll; xdp = the same over AF_XDP "
     "sockets "
     "of a network interface, for root. A unix socket is listened on with any",
     add_transports},
    {0, "datagram-port", K::kInteger, "PORT", "11300",
     "UDP port of the first receive queue; those of the others follow",
     [](O& o, V v) { return assign(o.datagram_port, parse_whole(v, 1, 65535)); }},
    {0, "rx-queues", K::kInteger, "N", "0",
     "receive queues for datagrams; 0 = one for each thread; with dpdk or xdp at "
     "least so many",
     [](O& o, V v) { return assign(o.rx_queues, parse_whole(v, 0, kWorkersMax)); }},
    {0, "datagram-single-port", K::kFlag, "", "",
     "all receive queues on one UDP port: a request's header says which",
     [](O& o, V v) { return set_flag(o.datagram_single_port, v == "true"); }},
    {0, "dpdk-address", K::kText, "IPV4", "10.0.0.1", "address of this server on the DPDK device",
     [](O& o, V v) { return assign(o.dpdk_address, parse_ipv4(v)); }},
    {0, "dpdk-vhost", K::kText, "PATH", "",
     "the device is a virtio one that a client on this machine opens at this socket",
     [](O& o, V v) { return assign_text(o.dpdk_vhost, v); }},
    {0, "dpdk-args", K::kText, "ARGS", "",
     "arguments of DPDK itself, such as \"-a 0000:3b:00.0\" for the device at that PCI address",
     [](O& o, V v) { return assign_text(o.dpdk_arguments, v); }},
    {0, "xdp-interface", K::kText, "NAME", "",
     "network interface of --transport=xdp; it needs as many queues as receive queues are served, "
     "and other traffic stays the kernel's",
     [](O& o, V v) { return assign_text(o.xdp_interface, v); }},
    {0, "xdp-address", K::kText, "IPV4", "",
     "address of this server on that interface (default: its first)",
     [](O& o, V v) { return assign(o.xdp_address, parse_ipv4(v)); }},
    {'U', "udp-port", K::kInteger, "PORT", "0",
     "only 0 (off): memcached's UDP protocol is not spoken; see --transport", refuse_udp},
};

constexpr OptionRow kMemory[] = {
    {'m', "memory-limit", K::kSize, "MB", "64",
     "memory for everything stored, in megabytes, or with a suffix: 1024m, 4g",
     [](O& o, V v) {
       return assign(o.memory_bytes, parse_size(v, kMiB, kMemoryBytesMin, kMemoryBytesMax));
     }},
    {'I', "max-item-size", K::kSize, "BYTES", "1m",
     "largest value, in bytes, or with a suffix k, m or g: 1k to 1g, and at most half of the "
     "memory limit",
     [](O& o, V v) {
       return assign(o.item_bytes_max, parse_size(v, 1, kItemBytesMin, kItemBytesMax));
     }},
    {'M', "disable-evictions", K::kFlag, "", "",
     "when memory is full, refuse writes; evict nothing",
     [](O& o, V v) { return set_flag(o.evict, v != "true"); }},
    {'C', "disable-cas", K::kFlag, "", "", "no cas ids: cas is refused, gets tells 0",
     [](O& o, V v) { return set_flag(o.cas, v != "true"); }},
    {'k', "lock-memory", K::kFlag, "", "", "lock all memory, so that none is swapped out",
     [](O& o, V v) { return set_flag(o.lock_memory, v == "true"); }},
};

constexpr OptionRow kWorkers[] = {
    {'t', "threads", K::kInteger, "N", "4", "worker threads",
     [](O& o, V v) { return assign(o.threads, parse_whole(v, 1, kWorkersMax)); }},
    {0, "cores", K::kText, "LIST", "",
     "CPUs such as 0,2,4-7: worker i runs on the i-th of them alone; at least as many as there are "
     "threads (default: the kernel chooses)",
     [](O& o, V v) { return assign(o.cpus, parse_cpu_list(v)); }},
    {0, "sharding", K::kText, "POLICY", "elastic",
     "who serves what: elastic = every core serves small requests, and between bursts of them a "
     "slice of a large one; size-aware = some cores serve only large requests; key-hash = the "
     "arrival core serves all; software-handoff = dispatchers give each to an idle worker; "
     "work-stealing = as key-hash, and idle cores take over from busy ones",
     [](O& o, V v) { return assign(o.sharding, policy_kind_from(v)); }},
    {0, "dispatchers", K::kInteger, "N", "1",
     "threads that under software-handoff give requests to the others and serve none; fewer than "
     "there are threads",
     [](O& o, V v) { return assign(o.dispatchers, parse_whole(v, 1, kWorkersMax - 1)); }},
    {0, "epoch-ms", K::kInteger, "MS", "1000",
     "how often sizes are looked at anew to tell small from large, in milliseconds",
     [](O& o, V v) { return assign(o.epoch, parse_whole(v, 10, 600'000)); }},
    {0, "large-percentile", K::kNumber, "P", "99",
     "requests above this percentile of size are large; above 0, below 100", set_percentile},
    {0, "smoothing", K::kNumber, "W", "0.9",
     "weight of the newest epoch against the ones before; above 0, at most 1", set_smoothing},
    {0, "quantum-bytes", K::kSize, "BYTES", "0",
     "bytes of a large value moved before small requests get their turn: 16k to 64m; 0 = 32k",
     set_quantum},
    {0, "busy-poll-us", K::kInteger, "US", "0",
     "microseconds that a worker without work polls before it sleeps",
     [](O& o, V v) { return assign(o.busy_poll, parse_whole(v, 0, 1'000'000)); }},
    {'R', "max-reqs-per-event", K::kInteger, "N", "32",
     "requests of one connection served before others get their turn; 32 is the most, more means "
     "32",
     set_burst},
};

constexpr OptionRow kProcess[] = {
    {0, "config", K::kText, "FILE", "",
     "read options from this TOML file: keys are the long names here, such as port = 11211; the "
     "command line wins",
     [](O& o, V v) { return assign_text(o.config_file, v); }},
    {'d', "daemon", K::kFlag, "", "", "run in the background; returns once it serves",
     [](O& o, V v) { return set_flag(o.daemon, v == "true"); }},
    {'P', "pidfile", K::kText, "FILE", "", "write the process id to this file",
     [](O& o, V v) { return assign_text(o.pidfile, v); }},
    {'u', "user", K::kText, "NAME", "", "become this user when started by root",
     [](O& o, V v) { return assign_text(o.user, v); }},
    {'A', "enable-shutdown", K::kFlag, "", "", "let clients end the server by the command shutdown",
     [](O& o, V v) { return set_flag(o.shutdown_command, v == "true"); }},
    {'v', "verbose", K::kCount, "", "", "tell more; -vv and -vvv tell yet more",
     [](O& o, V v) { return assign(o.verbosity, parse_whole(v, 0, 3)); }},
    {'o', "extended", K::kList, "LIST", "",
     "memcached's extended options: idle_timeout=SECONDS works, those that tune its slabs, LRU and "
     "hash table are accepted without effect, others are refused",
     set_extended},
    {'h', "help", K::kFlag, "", "", "print this help and exit", nullptr},
    {'V', "version", K::kFlag, "", "", "print the version and exit", nullptr},
};

constexpr OptionGroup kGroups[] = {
    {"Network", kNetwork},
    {"Memory", kMemory},
    {"Workers", kWorkers},
    {"Process", kProcess},
};

constexpr std::size_t kHelpColumns = 100;
constexpr std::size_t kHelpIndent = 34;

// One option of --help: its names, then what it does in a column of its own.
void append_help(std::string& out, const OptionRow& row) {
  const std::string short_part =
      row.short_name == 0 ? "    " : fmt::format("-{}, ", row.short_name);
  std::string line = fmt::format("  {}--{}", short_part, row.long_name);
  if (!row.argument.empty()) line += fmt::format("={}", row.argument);
  if (line.size() >= kHelpIndent) {
    out += line + "\n";
    line.clear();
  }
  line.resize(kHelpIndent, ' ');
  std::string text(row.help);
  if (!row.default_text.empty()) text += fmt::format(" (default {})", row.default_text);
  bool first_word = true;
  for (const std::string_view word : split(text, ' ')) {
    if (!first_word && line.size() + 1 + word.size() > kHelpColumns) {
      out += line + "\n";
      line.assign(kHelpIndent, ' ');
      first_word = true;
    }
    if (!first_word) line += ' ';
    line += word;
    first_word = false;
  }
  out += line + "\n";
}

struct MissingOption {
  std::string_view short_name;
  std::string_view long_name;
  std::string_view why;
};

constexpr MissingOption kMissing[] = {
    {"-f", "--slab-growth-factor", "Minos has no slabs; leave it out"},
    {"-n", "--slab-min-size", "Minos has no slabs; leave it out"},
    {"-L", "--enable-largepages", "large pages are not supported"},
    {"-r", "--enable-coredumps", "use ulimit -c of the shell instead"},
    {"-D", "", "statistics by key prefix are not supported"},
    {"-B", "--protocol", "Minos speaks the text protocol only; leave it out"},
    {"-S", "--enable-sasl", "authentication is not supported"},
    {"-Y", "--auth-file", "authentication is not supported"},
    {"-Z", "--enable-ssl", "TLS is not supported"},
    {"-F", "--disable-flush-all", "flush_all cannot be disabled"},
    {"-X", "--disable-dumping", "Minos has no dump commands; leave it out"},
    {"-W", "--disable-watch", "Minos has no watch command; leave it out"},
    {"-e", "--memory-file", "memory files are not supported"},
    {"-i", "--license", "see the file LICENSE"},
    {"-N", "--napi_ids", "NAPI ids are not supported"},
};

}  // namespace

std::span<const OptionGroup> option_groups() {
  return kGroups;
}

std::string option_name(const OptionRow& row) {
  if (row.short_name == 0) return fmt::format("--{}", row.long_name);
  return fmt::format("-{}/--{}", row.short_name, row.long_name);
}

bool allowed_in_file(const OptionRow& row) {
  return row.apply != nullptr && row.long_name != "config";
}

std::string help_text() {
  std::string out =
      "Usage: minosd [OPTION]...\n"
      "Minos, an in-memory key-value server. A small request waits at most for a slice of a large "
      "one.\n"
      "Speaks memcached's protocol; options mean what they mean to memcached where it has them.\n";
  for (const OptionGroup& group : kGroups) {
    out += fmt::format("\n{}:\n", group.title);
    for (const OptionRow& row : group.rows) append_help(out, row);
  }
  return out;
}

std::string_view why_missing(std::string_view option) {
  const std::string_view name = option.substr(0, option.find('='));
  for (const MissingOption& missing : kMissing) {
    const bool is_long = name.starts_with("--");
    if (is_long ? name == missing.long_name : name.starts_with(missing.short_name)) {
      return missing.why;
    }
  }
  return {};
}

}  // namespace minos
