#include "server/device_plane.h"

#include <fmt/format.h>

#include "transport/address.h"

namespace minos {

std::string datagram_address(const std::array<std::uint8_t, 4>& address,
                             const ServerOptions& options) {
  return with_last_port(fmt::format("{}:{}", fmt::join(address, "."), options.datagram_port),
                        options.datagram_port, options.queue_count());
}

}  // namespace minos
