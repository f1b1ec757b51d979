#include "transport/udp/udp_counters.h"

#include "transport/udp/udp_queues.h"

namespace minos {

namespace {

struct Named {
  std::string_view name;
  SharedCounter UdpCounters::* counter;
};

constexpr Named kNamed[] = {
    {"packets_in", &UdpCounters::packets_in},   {"batches_in", &UdpCounters::batches_in},
    {"truncated", &UdpCounters::truncated},     {"receive_errors", &UdpCounters::receive_errors},
    {"packets_out", &UdpCounters::packets_out}, {"batches_out", &UdpCounters::batches_out},
    {"send_errors", &UdpCounters::send_errors}, {"tx_full", &UdpCounters::tx_full},
    {"not_kept", &UdpCounters::not_kept},
};

}  // namespace

std::vector<PlaneCount> counts_of(const UdpQueues& queues,
                                  std::span<const UdpCounters* const> ports) {
  std::vector<PlaneCount> counts;
  for (const auto& [name, counter] : kNamed) {
    std::uint64_t sum = 0;
    for (const UdpCounters* port : ports) sum += (port->*counter).get();
    counts.push_back({name, sum});
  }
  counts.push_back({"socket_dropped", queues.dropped()});
  return counts;
}

}  // namespace minos
