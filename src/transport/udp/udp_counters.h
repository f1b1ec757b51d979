#pragma once

#include <span>
#include <vector>

#include "base/histogram.h"
#include "transport/plane.h"

namespace minos {

// What a UdpPort has done. Written by its worker's thread, read by any.
struct UdpCounters {
  SharedCounter packets_in;  // datagrams
  SharedCounter batches_in;  // system calls that brought some
  SharedCounter truncated;   // longer than any datagram can be that is sent in one piece: skipped
  SharedCounter receive_errors;
  SharedCounter packets_out;  // datagrams that the kernel took
  SharedCounter batches_out;  // system calls that took some
  SharedCounter send_errors;  // datagrams that the kernel refused for good
  SharedCounter tx_full;      // datagrams that the port had no room for
  SharedCounter not_kept;     // datagrams that keep() had no memory for
};

class UdpQueues;

// Of a plane whose ports have these counters, and what the kernel has dropped before any port saw
// it. The same names in the same order at every call. Any thread.
std::vector<PlaneCount> counts_of(const UdpQueues& queues,
                                  std::span<const UdpCounters* const> ports);

}  // namespace minos
