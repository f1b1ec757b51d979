#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "server/device_plane.h"
#include "transport/xdp/xdp_device.h"
#include "transport/xdp/xdp_port.h"

namespace minos {

namespace {

class XdpPlane final : public DevicePlane {
 public:
  XdpPlane(std::unique_ptr<XdpDevice> device, std::string name)
      : device_(std::move(device)), name_(std::move(name)) {}

  Plane make_plane(std::uint16_t index, std::uint8_t number) override {
    auto port = std::make_unique<XdpPort>(*device_, index, number);
    Sleeper* const sleeper = port.get();
    return {std::move(port), sleeper};
  }
  std::vector<PlaneCount> counts() const override { return device_->counts(); }
  std::string name() const override { return name_; }

 private:
  std::unique_ptr<XdpDevice> device_;
  std::string name_;
};

}  // namespace

std::expected<std::unique_ptr<DevicePlane>, std::string> open_xdp(const ServerOptions& options) {
  XdpDevice::Options wanted;
  wanted.interface = options.xdp_interface;
  wanted.address = options.xdp_address;
  wanted.base_port = options.datagram_port;
  wanted.queues = options.queue_count();
  auto device = XdpDevice::create(wanted);
  if (!device) {
    return std::unexpected(
        fmt::format("--xdp-interface={}: {}", options.xdp_interface, device.error()));
  }
  if (!(*device)->why_generic().empty()) {
    spdlog::warn(
        "the driver of {} does not run XDP programs ({}): the kernel does, which is slower",
        options.xdp_interface, (*device)->why_generic());
  }
  std::string name = "xdp:" + datagram_address((*device)->self().address, options);
  return std::make_unique<XdpPlane>(std::move(*device), std::move(name));
}

}  // namespace minos
