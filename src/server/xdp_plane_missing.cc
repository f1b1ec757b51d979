#include "server/device_plane.h"

namespace minos {

std::expected<std::unique_ptr<DevicePlane>, std::string> open_xdp(const ServerOptions&) {
  return std::unexpected("--transport=xdp: this minosd was built without libxdp");
}

}  // namespace minos
