#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "server/options.h"
#include "transport/plane.h"

namespace minos {

// A server's data plane that has a network device to itself, or a share of one.
class DevicePlane {
 public:
  virtual ~DevicePlane() = default;

  // Worker `index`'s way in, with `number` as Peer::plane. This outlives it and what it kept.
  virtual Plane make_plane(std::uint16_t index, std::uint8_t number) = 0;

  // By a worker's thread before its first use of the port: held as long as it uses it. May be null.
  virtual std::shared_ptr<void> enter_thread() { return nullptr; }

  // What it has counted since it was opened; the same names in the same order at every call. Any
  // thread.
  virtual std::vector<PlaneCount> counts() const = 0;

  // "dpdk:10.0.0.1:11300-11303"
  virtual std::string name() const = 0;
};

// Before root is given up, and once in a process. Errors are sentences; a build without the library
// that a plane needs has that sentence only.
std::expected<std::unique_ptr<DevicePlane>, std::string> open_dpdk(const ServerOptions& options);
std::expected<std::unique_ptr<DevicePlane>, std::string> open_xdp(const ServerOptions& options);

// "10.0.0.1:11300-11303"
std::string datagram_address(const std::array<std::uint8_t, 4>& address,
                             const ServerOptions& options);

}  // namespace minos
