#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

struct rte_eth_conf;
struct rte_eth_dev_info;

namespace minos {

// Makes a device deliver a datagram to UDP port base_port + q at RX queue q. Where it cannot, they
// arrive at any queue: right all the same, as the port says which queue a datagram is for, but the
// workers that look at the RX queues of others then matter more.
class QueueSteering {
 public:
  virtual ~QueueSteering() = default;
  virtual std::string_view name() const = 0;
  // Before the device is configured.
  virtual void prepare(const rte_eth_dev_info& info, rte_eth_conf& configuration) = 0;
  // After the device has started. Errors: a sentence that says why datagrams arrive at any queue;
  // the device works all the same.
  virtual std::expected<void, std::string> install(std::uint16_t device, std::uint16_t base_port,
                                                   std::uint16_t queues) = 0;
};

// The peer chooses the queue: virtio, where TX queue q of the client is RX queue q here.
std::unique_ptr<QueueSteering> make_direct_steering();
// Spreads datagrams over the queues by a hash of addresses and ports.
std::unique_ptr<QueueSteering> make_rss_steering();
// A rule of the device (rte_flow) per port; what no rule takes is spread as by RSS.
std::unique_ptr<QueueSteering> make_flow_steering();

// The best one for the device with this driver.
std::unique_ptr<QueueSteering> make_steering(std::string_view driver);

}  // namespace minos
