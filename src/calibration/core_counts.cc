#include "calibration/core_counts.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "sim/cost_book.h"
#include "worker/large_reply.h"

namespace minos {

namespace {

// Bytes of memcached's text around a value, in a reply and in a command, with the keys of the load
// generator.
constexpr double kTextAroundReply = 30;
constexpr double kTextAroundStore = 24;

constexpr double kMicro = 1000;  // ns

class Delta {
 public:
  Delta(const CoreCounts& before, const CoreCounts& after) : before_(before), after_(after) {}

  double operator()(std::string_view name) const { return of(after_, name) - of(before_, name); }

 private:
  static double of(const CoreCounts& counts, std::string_view name) {
    const auto found = counts.find(name);
    return found == counts.end() ? 0 : found->second;
  }

  const CoreCounts& before_;
  const CoreCounts& after_;
};

double& count(CostSample& sample, double CostModel::* cost) {
  return sample.counts[index_of(cost)];
}

void count_datagrams(const Delta& did, const CalibrationLoad& load, CostSample& sample) {
  const double handed = did("hand_offs_in");
  const double fragments = did("set_fragments");
  // Others come by a ring.
  const double received = std::clamp(fragments - handed, 0.0, did("datagrams"));
  const double whole = std::max(0.0, sample.requests - fragments);
  count(sample, &CostModel::empty_poll_ns) = did("empty_polls");
  count(sample, &CostModel::receive_ns) = did("datagrams") - received;
  count(sample, &CostModel::large_receive_ns) = received;
  count(sample, &CostModel::parse_ns) = sample.requests;
  // A value of many fragments is looked for when it is stored.
  count(sample, &CostModel::look_up_ns) = load.set ? std::max(whole, did("cmd_set")) : whole;
  count(sample, &CostModel::reply_ns) = did("replies");
  count(sample, &CostModel::large_packet_ns) = did("reply_fragments");
  count(sample, &CostModel::copy_byte_ns) = did("value_bytes");
  count(sample, &CostModel::steal_ns) = did("rx_stolen") + did("stolen");
}

// Of a stream nobody counts packets: so many as the bytes would take in the simulator's.
void count_streams(const Delta& did, const CalibrationLoad& load, CostSample& sample) {
  const double small = std::max(0.0, sample.requests - did("large_requests"));
  const double large_out =
      load.set ? 0 : did("bytes_written") - small * (load.value_bytes + kTextAroundReply);
  const double large_in =
      load.set ? did("bytes_read") - small * (load.value_bytes + kTextAroundStore) : 0;
  // Small requests alone look as if there were a little more or less than there is.
  const auto many = [](double bytes, double all) { return bytes > 0.05 * all ? bytes : 0; };
  const double bytes_out = many(large_out, did("bytes_written"));
  const double bytes_in = many(large_in, did("bytes_read"));
  const double fragments = bytes_in / kSetFragmentBytes;
  const double whole = load.value_bytes == 0 ? 0 : small;
  count(sample, &CostModel::receive_ns) =
      load.set ? std::clamp(did("reads") - did("quanta"), 0.0, whole) : did("reads");
  count(sample, &CostModel::large_receive_ns) = fragments;
  count(sample, &CostModel::parse_ns) = sample.requests + fragments;
  count(sample, &CostModel::look_up_ns) = sample.requests;
  count(sample, &CostModel::reply_ns) =
      load.set ? did("sends") : std::clamp(did("sends") - did("quanta"), 0.0, whole);
  count(sample, &CostModel::large_packet_ns) = bytes_out / kReplyFragmentBytes;
  count(sample, &CostModel::copy_byte_ns) = small * load.value_bytes + bytes_in + bytes_out;
}

}  // namespace

std::vector<CoreCounts> core_counts(const std::vector<std::pair<std::string, std::string>>& stats) {
  constexpr std::string_view kPrefix = "core:";
  std::vector<CoreCounts> out;
  for (const auto& [name, value] : stats) {
    std::string_view rest = name;
    if (!rest.starts_with(kPrefix)) continue;
    rest.remove_prefix(kPrefix.size());
    std::size_t core = 0;
    const auto number = std::from_chars(rest.data(), rest.data() + rest.size(), core);
    constexpr std::size_t kCoresMax = 1024;
    if (number.ec != std::errc() || core >= kCoresMax) continue;
    rest.remove_prefix(static_cast<std::size_t>(number.ptr - rest.data()));
    if (rest.empty()) continue;
    double parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size()) continue;  // a role
    if (core >= out.size()) out.resize(core + 1);
    out[core].emplace(rest.substr(1), parsed);
  }
  return out;
}

CostSample sample_between(const CoreCounts& before, const CoreCounts& after, ProtocolKind on,
                          const CalibrationLoad& load, std::uint32_t core) {
  const Delta did(before, after);
  CostSample sample{.load = load.name, .core = core};
  sample.cpu_ns = did("cpu_us") * kMicro;
  sample.requests = did("requests");
  sample.idle_steps = did("idle_steps");
  sample.rests = did("rests");
  count(sample, &CostModel::step_ns) = did("steps");
  count(sample, &CostModel::write_ns) = did("cmd_set");
  count(sample, &CostModel::ring_out_ns) = did("hand_offs_out");
  count(sample, &CostModel::ring_in_ns) = did("hand_offs_in");
  if (is_datagrams(on)) {
    count_datagrams(did, load, sample);
  } else {
    count_streams(did, load, sample);
  }
  return sample;
}

}  // namespace minos
