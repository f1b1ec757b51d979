#pragma once

#include <cstdint>
#include <string>

#include "transport/frame/frame.h"

// Two programs for dpdk_echo_test: a server that answers what it is sent through DpdkPort, and
// clients over DpdkChannel that check the answers.
//
// The first byte of a datagram says what to do: 'S' answer with the same; 'K' keep the packet;
// 'R' answer with all that were kept, each alone, and release them; 'L' send as many datagrams of
// kLargeBytes as the following u32 says; anything else, or nothing: as 'S'.
namespace minos::echo {

inline constexpr std::uint16_t kQueues = 4;
inline constexpr std::uint16_t kBasePort = 7000;
inline constexpr std::uint16_t kSourcePort = 40000;
inline constexpr std::uint16_t kSourcePorts = 3;
inline constexpr Ipv4Address kServerAddress = {10, 77, 0, 1};
inline constexpr Ipv4Address kClientAddress = {10, 77, 0, 2};
inline constexpr MacAddress kServerMac = {0x02, 0, 10, 77, 0, 1};
inline constexpr std::size_t kLargeBytes = kDatagramBytesMax;

// Serves at the socket `path` until SIGTERM; says so on standard output once it does. Exit status:
// 0 when nothing was lost that should not be, otherwise what was is on standard error.
int serve(const std::string& path, std::uint16_t threads);

// Runs one scenario against the server and checks it: the same exit status.
int run_client(const std::string& path, const std::string& scenario);

}  // namespace minos::echo
