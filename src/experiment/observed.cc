#include "experiment/observed.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "base/limits.h"
#include "sharding/cost.h"
#include "sharding/size_histogram.h"

namespace minos {
namespace {

constexpr std::string_view kSizeStats = "stats minos sizes";

// Sums of what a server says stay far from the end of their type.
constexpr std::uint64_t kCountMax = std::uint64_t{1} << 50;

// Above, one simulated size stands for an octave: each takes memory in every simulation.
constexpr std::uint64_t kOwnSizeBytesMax = kMiB;
constexpr std::uint64_t kSimValueBytesMax = 64 * kMiB;  // what a simulation takes

constexpr std::uint32_t kKeysMax = 100'000;

// What a simulation takes of these.
constexpr double kEpochMsMin = 0.01;
constexpr double kEpochMsMax = 1e9;

template <typename T>
std::optional<T> number_of(std::string_view text) {
  T out{};
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, out);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return out;
}

// Takes lines by their name; remembers the first thing that was wrong.
class LineReader {
 public:
  LineReader(std::string_view command, const StatLines& lines) : command_(command), lines_(lines) {}

  const std::string& error() const { return error_; }

  std::string text(std::string_view name) {
    const auto line = std::ranges::find(lines_, name, &StatLines::value_type::first);
    if (line != lines_.end()) return line->second;
    fail(fmt::format("there is no line '{}'", name));
    return {};
  }

  template <typename T>
  T number(std::string_view name, T low, T high) {
    const std::string value = text(name);
    if (!error_.empty()) return low;
    const auto out = number_of<T>(value);
    if (out && *out >= low && *out <= high) return *out;
    fail(fmt::format("line '{} {}': a number from {} to {} is expected", name, shortened(value),
                     low, high));
    return low;
  }

  void fail(std::string why) {
    if (error_.empty()) error_ = fmt::format("{}: {}", command_, why);
  }

  // A line may be as long as the sender likes.
  static std::string_view shortened(std::string_view text) { return text.substr(0, 80); }

 private:
  std::string_view command_;
  const StatLines& lines_;
  std::string error_;
};

// The text before the next colon, which is removed with it.
std::string_view take_part(std::string_view& text) {
  const std::string_view part = text.substr(0, text.find(':'));
  text.remove_prefix(std::min(text.size(), part.size() + 1));
  return part;
}

// `size:LOWER:UPPER:KIND COUNT`; returns what is wrong with it.
std::string_view add_size_line(std::string_view name, std::string_view value, SizeCounts& sizes) {
  take_part(name);
  const auto lower = number_of<std::uint64_t>(take_part(name));
  const auto upper = number_of<std::uint64_t>(take_part(name));
  if (!lower || !upper || *lower > upper_bytes(kSizeClasses - 1))
    return "no bounds of a size class";
  const SizeClass size_class = size_class_of(*lower);
  if (lower_bytes(size_class) != *lower || upper_bytes(size_class) != *upper) {
    return "not the bounds of a size class that this program knows";
  }
  if (name != "read" && name != "written") return "neither read nor written";
  const auto count = number_of<std::uint64_t>(value);
  if (!count || *count > kCountMax) return "the count is no number that it may be";
  SizeHistogram& counts = name == "read" ? sizes.read : sizes.written;
  if (counts.count(size_class) != 0) return "the second of its kind";
  counts.add(size_class, *count);
  return {};
}

// False if some count went back.
bool subtract(const SizeHistogram& before, const SizeHistogram& after, SizeHistogram& out) {
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    if (after.count(i) < before.count(i)) return false;
    out.add(i, after.count(i) - before.count(i));
  }
  return true;
}

std::uint64_t middle_bytes(SizeClass size_class) {
  return (lower_bytes(size_class) + upper_bytes(size_class)) / 2;
}

SizeHistogram values_of(const ObservedLoad& load) {
  SizeHistogram all = load.sizes.read;
  all.merge(load.sizes.written);
  return all;
}

// Classes of one simulated size.
struct SharedSize {
  double bytes = 0;  // of all requests
  std::uint64_t read = 0;
  std::uint64_t written = 0;
  std::uint64_t upper = 0;
  bool large = false;

  std::uint64_t requests() const { return read + written; }
};

bool stand_together(const SharedSize& size, SizeClass size_class, bool large) {
  if (size.upper <= kOwnSizeBytesMax || size.large != large) return false;
  const std::uint64_t upper = upper_bytes(size_class);
  const bool beyond = size.upper > kSimValueBytesMax && upper > kSimValueBytesMax;
  return beyond || std::bit_width(size.upper) == std::bit_width(upper);
}

}  // namespace

std::expected<ObservedServer, std::string> parse_server(const StatLines& general,
                                                        const StatLines& settings,
                                                        const StatLines& minos) {
  ObservedServer out;
  LineReader first("stats", general);
  out.version = first.text("version");
  out.keys = first.number<std::uint64_t>("curr_items", 0, kCountMax);
  LineReader second("stats settings", settings);
  const auto policy = policy_kind_from(second.text("sharding"));
  if (policy) {
    out.policy = *policy;
  } else {
    second.fail(fmt::format("line 'sharding': {}", policy.error()));
  }
  out.threads = second.number<std::uint16_t>("num_threads", 1, kWorkersMax);
  out.dispatchers = second.number<std::uint16_t>("dispatchers", 1, kWorkersMax);
  out.large_percentile = second.number<double>("large_percentile", 0.001, 99.999);
  out.smoothing = second.number<double>("smoothing", 0.001, 1);
  const double epoch_ms = second.number<double>("epoch_ms", kEpochMsMin, kEpochMsMax);
  out.epoch = Nanos(std::llround(epoch_ms * 1e6));
  out.quantum_bytes = second.number<std::uint64_t>("quantum_bytes", 1, kItemBytesMax);
  LineReader third("stats minos", minos);
  constexpr auto kAny = std::numeric_limits<std::uint64_t>::max();
  out.threshold_bytes = third.number<std::uint64_t>("threshold_bytes", 0, kAny);
  out.threshold_min_bytes =
      third.number<std::uint64_t>("threshold_min_bytes", 1, std::uint64_t{UINT32_MAX});
  for (const LineReader* reader : {&first, &second, &third}) {
    if (!reader->error().empty()) return std::unexpected(reader->error());
  }
  return out;
}

std::expected<ObservedLoad, std::string> parse_load(const StatLines& lines) {
  ObservedLoad out;
  LineReader reader(kSizeStats, lines);
  out.seconds = static_cast<double>(reader.number<std::uint64_t>("counted_us", 0, kCountMax)) / 1e6;
  out.without_value = reader.number<std::uint64_t>("without_value", 0, kCountMax);
  for (const auto& [name, value] : lines) {
    if (!name.starts_with("size:")) continue;
    const std::string_view wrong = add_size_line(name, value, out.sizes);
    if (wrong.empty()) continue;
    reader.fail(fmt::format("line '{} {}': {}", LineReader::shortened(name),
                            LineReader::shortened(value), wrong));
    break;
  }
  if (!reader.error().empty()) return std::unexpected(reader.error());
  return out;
}

std::expected<ObservedLoad, std::string> load_between(const ObservedLoad& before,
                                                      const ObservedLoad& after) {
  ObservedLoad out;
  out.seconds = after.seconds - before.seconds;
  out.without_value = after.without_value - before.without_value;
  if (out.seconds <= 0 || after.without_value < before.without_value ||
      !subtract(before.sizes.read, after.sizes.read, out.sizes.read) ||
      !subtract(before.sizes.written, after.sizes.written, out.sizes.written)) {
    return std::unexpected(
        "its counts went back: it was started anew, or its statistics were reset, meanwhile");
  }
  if (out.requests() == 0) {
    return std::unexpected(fmt::format("no request came in {:.1f} s", out.seconds));
  }
  return out;
}

std::uint64_t large_above_bytes(const ObservedServer& server, const ObservedLoad& load) {
  if (server.threshold_bytes < upper_bytes(kSizeClasses - 1)) {
    return upper_bytes(size_class_of(server.threshold_bytes));
  }
  const std::uint64_t least = upper_bytes(size_class_of(server.threshold_min_bytes));
  SmoothedSizes sizes(1);
  sizes.add(values_of(load));
  return sizes.empty() ? least : std::max(least, sizes.threshold_bytes(server.large_percentile));
}

LoadSummary summarise(const ObservedServer& server, const ObservedLoad& load) {
  LoadSummary out;
  out.large_above_bytes = large_above_bytes(server, load);
  const SizeHistogram values = values_of(load);
  const auto requests = static_cast<double>(load.requests());
  out.get_share = 1 - static_cast<double>(load.sizes.written.count()) / requests;
  double bytes = 0;
  double large_bytes = 0;
  std::uint64_t large = 0;
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    const std::uint64_t count = values.count(i);
    const double here = static_cast<double>(count) * static_cast<double>(middle_bytes(i));
    bytes += here;
    if (count != 0) out.value_bytes_max = upper_bytes(i);
    if (upper_bytes(i) <= out.large_above_bytes) continue;
    large += count;
    large_bytes += here;
  }
  if (values.count() != 0) out.value_bytes_mean = bytes / static_cast<double>(values.count());
  out.large_share = static_cast<double>(large) / requests;
  if (bytes > 0) out.large_bytes_share = large_bytes / bytes;
  out.value_bytes_p50 = values.quantile_bytes(0.5);
  out.value_bytes_p90 = values.quantile_bytes(0.9);
  out.value_bytes_p99 = values.quantile_bytes(0.99);
  out.value_bytes_p999 = values.quantile_bytes(0.999);
  return out;
}

std::vector<SimSizeShare> size_shares(const ObservedLoad& load, std::uint64_t large_above) {
  std::vector<SharedSize> sizes;
  for (SizeClass i = 0; i < kSizeClasses; ++i) {
    const std::uint64_t read = load.sizes.read.count(i);
    const std::uint64_t written = load.sizes.written.count(i);
    if (read + written == 0) continue;
    const bool large = upper_bytes(i) > large_above;
    if (sizes.empty() || !stand_together(sizes.back(), i, large)) {
      sizes.emplace_back().large = large;
    }
    SharedSize& size = sizes.back();
    size.bytes += static_cast<double>(read + written) * static_cast<double>(middle_bytes(i));
    size.read += read;
    size.written += written;
    size.upper = upper_bytes(i);
  }
  std::vector<SimSizeShare> out;
  if (load.without_value != 0) {
    out.push_back({.value_bytes = 1,
                   .share = static_cast<double>(load.without_value),
                   .large = false,
                   .get_ratio = 1});
  }
  for (const SharedSize& size : sizes) {
    const auto requests = static_cast<double>(size.requests());
    const auto mean = static_cast<std::uint64_t>(std::llround(size.bytes / requests));
    out.push_back({.value_bytes = std::clamp<std::uint64_t>(mean, 1, kSimValueBytesMax),
                   .share = requests,
                   .large = size.large,
                   .get_ratio = static_cast<double>(size.read) / requests});
  }
  return out;
}

std::uint32_t packets_of_quantum(std::uint64_t quantum_bytes) {
  const std::uint64_t packets = (quantum_bytes + kPacketPayloadBytes / 2) / kPacketPayloadBytes;
  return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(packets, 1, 65'536));
}

SimOptions as_observed(const SimOptions& base, const ObservedServer& server,
                       const ObservedLoad& load) {
  SimOptions out = base;
  out.policy = server.policy;
  out.cores = server.threads;
  out.dispatchers = server.dispatchers;
  out.large_percentile = server.large_percentile;
  out.smoothing = server.smoothing;
  out.epoch = server.epoch;
  out.quantum_packets = packets_of_quantum(server.quantum_bytes);
  out.threshold_min_bytes = server.threshold_min_bytes;
  out.rate_per_s = load.rate_per_s();
  out.keys = static_cast<std::uint32_t>(std::clamp<std::uint64_t>(server.keys, 1, kKeysMax));
  out.sizes = SimSizes::kGiven;
  out.size_shares = size_shares(load, large_above_bytes(server, load));
  return out;
}

}  // namespace minos
