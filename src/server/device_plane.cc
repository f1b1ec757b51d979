#include "server/device_plane.h"

#include <fmt/format.h>

namespace minos {

std::string datagram_address(const std::array<std::uint8_t, 4>& address,
                             const ServerOptions& options) {
  std::string text = fmt::format("{}:{}", fmt::join(address, "."), options.datagram_port);
  if (options.queue_count() > 1) {
    text += fmt::format("-{}", options.datagram_port + options.queue_count() - 1);
  }
  return text;
}

}  // namespace minos
