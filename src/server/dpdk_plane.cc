#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "server/device_plane.h"
#include "transport/dpdk/dpdk_device.h"
#include "transport/dpdk/dpdk_port.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"

namespace minos {

namespace {

class DpdkPlane final : public DevicePlane {
 public:
  DpdkPlane(std::unique_ptr<Eal> eal, std::unique_ptr<DpdkDevice> device, std::string name)
      : eal_(std::move(eal)), device_(std::move(device)), name_(std::move(name)) {}

  // Without a Sleeper: its workers poll.
  Plane make_plane(std::uint16_t index, std::uint8_t number) override {
    return {std::make_unique<DpdkPort>(*device_, index, number), nullptr};
  }
  std::shared_ptr<void> enter_thread() override { return std::make_shared<EalThread>(); }
  std::vector<PlaneCount> counts() const override { return device_->counts(); }
  std::string name() const override { return name_; }

 private:
  std::unique_ptr<Eal> eal_;
  std::unique_ptr<DpdkDevice> device_;
  std::string name_;
};

}  // namespace

std::expected<std::unique_ptr<DevicePlane>, std::string> open_dpdk(const ServerOptions& options) {
  DpdkDevice::Options wanted;
  wanted.address = options.dpdk_address;
  wanted.base_port = options.datagram_port;
  wanted.queues = options.queue_count();
  wanted.workers = options.threads;
  std::vector<std::string> arguments = split_arguments(options.dpdk_arguments);
  if (!options.dpdk_vhost.empty()) {
    if (auto removed = remove_stale_socket(options.dpdk_vhost); !removed) {
      return std::unexpected(removed.error());
    }
    const auto device = vhost_device(options.dpdk_vhost, wanted.queues);
    if (!device) return std::unexpected(device.error());
    arguments.insert(arguments.end(), {"--vdev", *device});
  }
  auto eal = Eal::start(arguments);
  if (!eal) return std::unexpected(eal.error());
  auto device = DpdkDevice::create(wanted);
  if (!device) return std::unexpected(device.error());
  if (!(*device)->unsteered().empty()) spdlog::warn("{}", (*device)->unsteered());
  std::string name = "dpdk:" + datagram_address(options.dpdk_address, options);
  return std::make_unique<DpdkPlane>(std::move(*eal), std::move(*device), std::move(name));
}

}  // namespace minos
