#include "load/options.h"

#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cstdint>

#include "base/limits.h"

namespace minos {
namespace {

constexpr std::int64_t kKeysMax = 1LL << 31;
constexpr std::int64_t kKeyNumberMax = UINT32_MAX;

using Checked = std::expected<void, std::string>;

template <typename T>
std::string range_error(std::string_view name, T value, T low, T high) {
  if (value >= low && value <= high) return {};
  return fmt::format("{}={} is out of range: {} to {} is allowed", name, value, low, high);
}

template <typename T>
std::string range_error(std::string_view name, const std::optional<T>& value, T low, T high) {
  return value ? range_error(name, *value, low, high) : std::string();
}

std::string first_range_error(const LoadOptions& o) {
  const std::string errors[] = {
      range_error<std::int64_t>("--threads", o.threads, 1, 64),
      range_error<std::int64_t>("--connections", o.connections, 1, 10'000),
      range_error<double>("--rate", o.rate, 1e-3, 1e8),
      range_error<std::int64_t>("--depth", o.depth, 1, 4096),
      range_error<double>("--duration", o.duration_s, 0.1, 86'400),
      range_error<double>("--warmup", o.warmup_s, 0, 3600),
      range_error<std::int64_t>("--keys", o.keys, 1, kKeysMax),
      range_error<std::int64_t>("--large-keys", o.large_keys, 0, kKeysMax - 1),
      range_error<std::int64_t>("--first-key", o.first_key, 0, kKeyNumberMax),
      range_error<double>("--large-percent", o.large_percent, 0, 100),
      range_error<std::int64_t>("--large-max", o.large_max, kLargeBytesMin, kItemBytesMax),
      range_error<std::int64_t>("--value-bytes", o.value_bytes, 1, kSmallBytesMax),
      range_error<double>("--get-ratio", o.get_ratio, 0, 1),
      range_error<double>("--zipf", o.zipf, 0, 5),
      range_error<double>("--timeout", o.timeout_s, 0.01, 3600),
      range_error<std::int64_t>("--seed", o.seed, 0, INT64_MAX),
      range_error<std::int64_t>("--slice-ms", o.slice_ms, 1, 10'000),
  };
  for (const std::string& error : errors) {
    if (!error.empty()) return error;
  }
  return {};
}

std::string cpu_error(const LoadOptions& o) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return {};
  for (const std::int64_t cpu : o.cpus) {
    if (cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET(static_cast<std::size_t>(cpu), &allowed)) {
      continue;
    }
    std::string list;
    for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
      if (CPU_ISSET(i, &allowed)) list += fmt::format("{}{}", list.empty() ? "" : ",", i);
    }
    return fmt::format("--cpus names CPU {}: this process may use {}", cpu, list);
  }
  return {};
}

std::string mode_error(const LoadOptions& o) {
  if (o.preload_only) {
    if (!o.preload) return "--preload-only and --no-preload exclude each other";
    if (o.rate) return "--preload-only and --rate exclude each other";
    if (o.closed) return "--preload-only and --closed exclude each other";
    if (o.duration_s) return "--preload-only and --duration exclude each other";
    if (o.warmup_s) return "--preload-only and --warmup exclude each other";
  } else {
    if (o.rate && o.closed) return "--rate (open loop) and --closed exclude each other";
    if (!o.rate && !o.closed) {
      return "say how to load: --rate=R for an open loop, --closed for a closed one, or "
             "--preload-only";
    }
  }
  if (o.depth && !o.closed) return fmt::format("--depth={} needs --closed", *o.depth);
  if (o.spread && !o.rate) return "--spread needs --rate: a closed loop fills every connection";
  return {};
}

std::string protocol_error(const LoadOptions& o) {
  if (o.single_port && o.protocol != ProtocolKind::kUdp)
    return "--single-port needs --protocol=udp";
  if (!is_datagrams(o.protocol)) return {};
  if (o.kernel_times) return "--kernel-times needs TCP: --protocol=memcached or redis";
  if (o.protocol != ProtocolKind::kDpdk) return {};
  if (o.threads != 1) {
    return fmt::format("--threads={}: over DPDK one thread makes the load, --threads=1", o.threads);
  }
  if (o.sleep) return "--sleep needs the kernel: over DPDK there is nothing to sleep for";
  return {};
}

std::string mix_error(const LoadOptions& o) {
  if (o.connection_count() < o.threads) {
    return fmt::format("--connections={} is less than --threads={}: every thread needs one",
                       o.connection_count(), o.threads);
  }
  const std::int64_t room = kKeyNumberMax - o.keys - o.large_keys;
  if (o.first_key > room) {
    return fmt::format("--first-key={} leaves no room for --keys={} and --large-keys={}: 0 to {}",
                       o.first_key, o.keys, o.large_keys, std::max<std::int64_t>(room, 0));
  }
  if (o.large_percent > 0 && o.large_keys == 0) {
    return fmt::format(
        "--large-percent={} needs large keys, but --large-keys=0: 1 or more, or --large-percent=0",
        o.large_percent);
  }
  if (!o.preload_only && millis(o.slice_ms) > o.duration()) {
    return fmt::format("--slice-ms={} is longer than --duration={} s", o.slice_ms,
                       o.duration_s.value_or(10));
  }
  return {};
}

}  // namespace

KeySpace::Options LoadOptions::key_space() const {
  return {.keys = static_cast<std::uint32_t>(keys),
          .large_keys = static_cast<std::uint32_t>(large_keys),
          .large_bytes_max = static_cast<std::uint32_t>(large_max),
          .value_bytes = static_cast<std::uint32_t>(value_bytes.value_or(0)),
          .first_key = static_cast<std::uint32_t>(first_key),
          .seed = static_cast<std::uint64_t>(seed)};
}

Checked check_options(const LoadOptions& options) {
  for (const auto check : {first_range_error, cpu_error, mode_error, protocol_error, mix_error}) {
    if (std::string error = check(options); !error.empty()) return std::unexpected(error);
  }
  return {};
}

}  // namespace minos
