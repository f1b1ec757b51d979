#include "server/device_plane.h"

namespace minos {

std::expected<std::unique_ptr<DevicePlane>, std::string> open_dpdk(const ServerOptions&) {
  return std::unexpected("--transport=dpdk: this minosd was built without DPDK");
}

}  // namespace minos
