#include "transport/dpdk/steering.h"

#include <rte_config.h>
#include <rte_ethdev.h>
#include <rte_flow.h>

#include <array>

namespace minos {
namespace {

class DirectSteering : public QueueSteering {
 public:
  std::string_view name() const override { return "direct"; }
  void prepare(const rte_eth_dev_info&, rte_eth_conf&) override {}
  std::expected<void, std::string> install(std::uint16_t, std::uint16_t, std::uint16_t) override {
    return {};
  }
};

class RssSteering : public QueueSteering {
 public:
  std::string_view name() const override { return "rss"; }

  void prepare(const rte_eth_dev_info& info, rte_eth_conf& configuration) override {
    const std::uint64_t by =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_UDP);
    if (by == 0) return;
    configuration.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    configuration.rx_adv_conf.rss_conf.rss_hf = by;
  }

  std::expected<void, std::string> install(std::uint16_t, std::uint16_t,
                                           std::uint16_t queues) override {
    if (queues == 1) return {};
    return std::unexpected("the device spreads datagrams by a hash, not by their UDP port");
  }
};

class FlowSteering : public RssSteering {
 public:
  std::string_view name() const override { return "flow"; }

  std::expected<void, std::string> install(std::uint16_t device, std::uint16_t base_port,
                                           std::uint16_t queues) override {
    if (queues == 1) return {};
    for (std::uint16_t queue = 0; queue < queues; ++queue) {
      rte_flow_error error{};
      if (add_rule(device, static_cast<std::uint16_t>(base_port + queue), queue, error)) continue;
      // Half the rules would be neither the one nor the other.
      rte_flow_error ignored{};
      rte_flow_flush(device, &ignored);
      return std::unexpected(std::string("the device takes no rule for UDP ports: ") +
                             (error.message != nullptr ? error.message : "no reason given"));
    }
    return {};
  }

 private:
  static bool add_rule(std::uint16_t device, std::uint16_t port, std::uint16_t queue,
                       rte_flow_error& error) {
    rte_flow_attr attributes{};
    attributes.ingress = 1;
    rte_flow_item_udp udp{};
    rte_flow_item_udp mask{};
    udp.hdr.dst_port = rte_cpu_to_be_16(port);
    mask.hdr.dst_port = 0xffff;
    std::array<rte_flow_item, 4> pattern{};
    pattern[0].type = RTE_FLOW_ITEM_TYPE_ETH;
    pattern[1].type = RTE_FLOW_ITEM_TYPE_IPV4;
    pattern[2].type = RTE_FLOW_ITEM_TYPE_UDP;
    pattern[2].spec = &udp;
    pattern[2].mask = &mask;
    pattern[3].type = RTE_FLOW_ITEM_TYPE_END;
    const rte_flow_action_queue to{.index = queue};
    std::array<rte_flow_action, 2> actions{};
    actions[0].type = RTE_FLOW_ACTION_TYPE_QUEUE;
    actions[0].conf = &to;
    actions[1].type = RTE_FLOW_ACTION_TYPE_END;
    return rte_flow_create(device, &attributes, pattern.data(), actions.data(), &error) != nullptr;
  }
};

}  // namespace

std::unique_ptr<QueueSteering> make_direct_steering() {
  return std::make_unique<DirectSteering>();
}

std::unique_ptr<QueueSteering> make_rss_steering() {
  return std::make_unique<RssSteering>();
}

std::unique_ptr<QueueSteering> make_flow_steering() {
  return std::make_unique<FlowSteering>();
}

std::unique_ptr<QueueSteering> make_steering(std::string_view driver) {
  if (driver == "net_vhost" || driver == "net_virtio_user" || driver == "net_ring") {
    return make_direct_steering();
  }
  return make_flow_steering();
}

}  // namespace minos
