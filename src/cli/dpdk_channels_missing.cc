#include "cli/dpdk_channels.h"

namespace minos {

std::expected<OpenChannels, std::string> dpdk_channels(const DpdkTarget&, const Address&) {
  return std::unexpected("--protocol=dpdk: this minos was built without DPDK");
}

}  // namespace minos
