#include "cli/dpdk_channels.h"

namespace minos {

std::expected<OpenChannels, std::string> dpdk_channels(const DpdkTarget&, const Address&) {
  return std::unexpected("--protocol=dpdk: this minos was built without DPDK");
}

std::expected<ConnectVhost, std::string> start_dpdk() {
  return std::unexpected("this minos was built without DPDK");
}

}  // namespace minos
