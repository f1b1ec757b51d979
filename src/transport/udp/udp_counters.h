#pragma once

#include "base/histogram.h"

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
};

}  // namespace minos
