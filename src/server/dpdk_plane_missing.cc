#include "server/dpdk_plane.h"

namespace minos {

std::expected<std::unique_ptr<DpdkPlane>, std::string> DpdkPlane::open(const ServerOptions&) {
  return std::unexpected("--transport=dpdk: this minosd was built without DPDK");
}

}  // namespace minos
