#include "transport/dpdk/eth_port.h"

#include <rte_config.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <optional>

#include "base/limits.h"

namespace minos {
namespace {

// Buffers that a thread keeps to itself, per pool.
constexpr unsigned kPoolCache = 256;
// A cache may hold half as many again before it gives back.
constexpr unsigned kPoolCacheHeld = kPoolCache + kPoolCache / 2;
static_assert(kPoolCache <= RTE_MEMPOOL_CACHE_MAX_SIZE);

constexpr std::uint16_t kPrivateBytes = 16;
static_assert(kPrivateBytes % RTE_MBUF_PRIV_ALIGN == 0);

// Relaxed tail synchronisation: a thread that loses its CPU while it is in the shared ring of a
// pool does not make the others spin until it is back.
constexpr const char* kPoolKind = "ring_mt_rts";

std::expected<std::uint16_t, std::string> find_port(const std::string& name) {
  std::uint16_t id = 0;
  if (!name.empty()) {
    if (rte_eth_dev_get_port_by_name(name.c_str(), &id) == 0) return id;
    return std::unexpected("DPDK has no device \"" + name + "\"");
  }
  if (rte_eth_dev_count_avail() != 1) {
    return std::unexpected("DPDK has " + std::to_string(rte_eth_dev_count_avail()) +
                           " network devices: say which one, or give it only one");
  }
  return static_cast<std::uint16_t>(rte_eth_find_next(0));
}

bool takes_four(const char* driver) {
  // These drivers hand over what they have, one by one.
  static constexpr std::array<std::string_view, 4> kExact = {"net_vhost", "net_virtio_user",
                                                             "net_ring", "net_null"};
  return std::ranges::find(kExact, std::string_view(driver)) == kExact.end();
}

}  // namespace

void EthPort::FreePool::operator()(rte_mempool* pool) const {
  rte_mempool_free(pool);
}

std::string EthPort::failed(const char* what, int rc) const {
  const char* error = rte_strerror(-rc);
  return "DPDK device " + std::to_string(id_) + ": " + what + ": " + error;
}

std::expected<std::string, std::string> EthPort::driver_of(const std::string& name) {
  const auto id = find_port(name);
  if (!id) return std::unexpected(id.error());
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(*id, &info) != 0 || info.driver_name == nullptr) {
    return std::unexpected("DPDK does not know the device \"" + name + "\"");
  }
  return std::string(info.driver_name);
}

std::expected<std::unique_ptr<EthPort>, std::string> EthPort::open(const EthPortOptions& options,
                                                                   QueueSteering& steering) {
  if (options.queues == 0 || options.queues > kWorkersMax) {
    return std::unexpected("a DPDK device has 1 to " + std::to_string(kWorkersMax) + " queues");
  }
  const auto id = find_port(options.name);
  if (!id) return std::unexpected(id.error());
  std::unique_ptr<EthPort> port(new EthPort(options, *id));
  if (const auto started = port->start(steering); !started) {
    return std::unexpected(started.error());
  }
  return port;
}

EthPort::~EthPort() {
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
}

std::expected<void, std::string> EthPort::configure(QueueSteering& steering) {
  rte_eth_dev_info info{};
  if (const int rc = rte_eth_dev_info_get(id_, &info); rc != 0) {
    return std::unexpected(failed("no information", rc));
  }
  const std::uint16_t queues = options_.queues;
  if (queues > std::min(info.max_rx_queues, info.max_tx_queues)) {
    return std::unexpected("DPDK device " + std::to_string(id_) + " has no " +
                           std::to_string(queues) + " queues, but " +
                           std::to_string(std::min(info.max_rx_queues, info.max_tx_queues)));
  }
  rte_eth_conf configuration{};
  configuration.rxmode.mtu = kMtuBytes;
  configuration.rxmode.offloads =
      info.rx_offload_capa & (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM);
  // Every frame of a TX queue comes from the queue's own pool and has one owner.
  configuration.txmode.offloads = info.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE;
  steering.prepare(info, configuration);
  tx_queues_ = std::max(queues, std::min(options_.tx_queues_wanted, info.max_tx_queues));
  int rc = rte_eth_dev_configure(id_, queues, tx_queues_, &configuration);
  if (rc != 0 && tx_queues_ != queues) {
    // Some drivers want as many of both.
    tx_queues_ = queues;
    rc = rte_eth_dev_configure(id_, queues, tx_queues_, &configuration);
  }
  if (rc != 0) return std::unexpected(failed("cannot be configured", rc));
  if (takes_four(info.driver_name)) rx_burst_min_ = 4;
  return {};
}

std::expected<void, std::string> EthPort::start(QueueSteering& steering) {
  if (const auto configured = configure(steering); !configured) return configured;
  const int socket = rte_eth_dev_socket_id(id_);
  if (const auto made = make_pools(socket); !made) return made;
  if (const auto set_up = set_up_queues(socket); !set_up) return set_up;
  if (const int rc = rte_eth_dev_start(id_); rc != 0) {
    return std::unexpected(failed("does not start", rc));
  }
  rte_ether_addr mac{};
  if (const int rc = rte_eth_macaddr_get(id_, &mac); rc != 0) {
    return std::unexpected(failed("has no MAC address", rc));
  }
  std::copy_n(mac.addr_bytes, mac_.size(), mac_.begin());
  return {};
}

std::expected<void, std::string> EthPort::make_pools(int socket) {
  std::uint16_t rx = options_.rx_descriptors;
  std::uint16_t tx = options_.tx_descriptors;
  if (const int rc = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx, &tx); rc != 0) {
    return std::unexpected(failed("takes no such number of descriptors", rc));
  }
  options_.rx_descriptors = rx;
  options_.tx_descriptors = tx;
  const auto make = [&](const std::string& kind, unsigned buffers) {
    const std::string name = "minos_" + std::to_string(id_) + kind;
    pools_.emplace_back(rte_pktmbuf_pool_create_by_ops(name.c_str(), buffers, kPoolCache,
                                                       kPrivateBytes, RTE_MBUF_DEFAULT_BUF_SIZE,
                                                       socket, kPoolKind));
    return pools_.back() != nullptr;
  };
  // The caches: of the workers, and of one more thread that may release what was kept.
  const unsigned rx_buffers =
      options_.queues * (rx + options_.rx_buffers_used) + (options_.queues + 1u) * kPoolCacheHeld;
  bool all = make("_rx", rx_buffers);
  for (unsigned queue = 0; all && queue < tx_queues_; ++queue) {
    all = make("_tx" + std::to_string(queue), tx + options_.tx_buffers_used + kPoolCacheHeld);
  }
  if (all) return {};
  return std::unexpected("DPDK has no memory for " + std::to_string(rx_buffers) +
                         " buffers to receive and those to send: give it more (-m)");
}

std::expected<void, std::string> EthPort::set_up_queues(int socket) {
  const auto node = static_cast<unsigned>(socket);
  for (std::uint16_t queue = 0; queue < options_.queues; ++queue) {
    const int rc = rte_eth_rx_queue_setup(id_, queue, options_.rx_descriptors, node, nullptr,
                                          pools_.front().get());
    if (rc != 0) return std::unexpected(failed("RX queue", rc));
  }
  for (std::uint16_t queue = 0; queue < tx_queues_; ++queue) {
    const int rc = rte_eth_tx_queue_setup(id_, queue, options_.tx_descriptors, node, nullptr);
    if (rc != 0) return std::unexpected(failed("TX queue", rc));
  }
  return {};
}

bool EthPort::set_mac(const MacAddress& mac) {
  mac_ = mac;
  rte_ether_addr address{};
  std::ranges::copy(mac, address.addr_bytes);
  return rte_eth_dev_default_mac_addr_set(id_, &address) == 0;
}

EthPort::Losses EthPort::losses() const {
  rte_eth_stats counted{};
  if (rte_eth_stats_get(id_, &counted) != 0) return {};
  return {.rx_missed = counted.imissed,
          .rx_errors = counted.ierrors,
          .rx_no_buffer = counted.rx_nombuf,
          .tx_errors = counted.oerrors};
}

bool EthPort::has_waiting(QueueId rx_queue, std::uint32_t frames) const {
  const int waiting = rte_eth_rx_queue_count(id_, rx_queue.value);
  return waiting < 0 || static_cast<std::uint32_t>(waiting) >= frames;
}

void* buffer_private(rte_mbuf* buffer) {
  return rte_mbuf_to_priv(buffer);
}

}  // namespace minos
