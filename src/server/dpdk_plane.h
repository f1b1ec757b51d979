#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "server/options.h"
#include "transport/plane.h"
#include "wire/packet.h"

namespace minos {

// A server's DPDK data plane: the environment and one device. A build without DPDK has none.
class DpdkPlane {
 public:
  virtual ~DpdkPlane() = default;

  // Before root is given up, and once in a process. Errors: sentences.
  static std::expected<std::unique_ptr<DpdkPlane>, std::string> open(const ServerOptions& options);

  // Worker `index`'s way in, with `plane` as Peer::plane. The plane outlives it and what it kept.
  virtual std::unique_ptr<DatagramPort> make_port(std::uint16_t index, std::uint8_t plane) = 0;

  // By a worker's thread before its first use of the port: held as long as it uses it.
  virtual std::shared_ptr<void> enter_thread() = 0;

  // As of DpdkDevice. Any thread.
  virtual std::vector<PlaneCount> counts() const = 0;

  // "dpdk:10.0.0.1:11300-11303"
  virtual std::string name() const = 0;
};

}  // namespace minos
