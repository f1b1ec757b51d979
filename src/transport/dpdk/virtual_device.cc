#include "transport/dpdk/virtual_device.h"

#include <rte_config.h>
#include <rte_dev.h>
#include <rte_errno.h>

namespace minos {
namespace {

constexpr const char* kBus = "vdev";

}  // namespace

std::expected<std::unique_ptr<VirtualDevice>, std::string> VirtualDevice::plug_in(
    const std::string& device) {
  const std::size_t comma = device.find(',');
  const std::string name = device.substr(0, comma);
  const std::string arguments = comma == device.npos ? "" : device.substr(comma + 1);
  if (const int rc = rte_eal_hotplug_add(kBus, name.c_str(), arguments.c_str()); rc != 0) {
    return std::unexpected("DPDK cannot make the device " + name + ": " + rte_strerror(-rc));
  }
  return std::unique_ptr<VirtualDevice>(new VirtualDevice(name));
}

VirtualDevice::~VirtualDevice() {
  rte_eal_hotplug_remove(kBus, name_.c_str());
}

}  // namespace minos
