#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "transport/dpdk/steering.h"
#include "transport/frame/frame.h"

struct rte_mempool;
struct rte_mbuf;

namespace minos {

// Frames of one call to a device.
inline constexpr std::uint32_t kEthBurst = 32;

struct EthPortOptions {
  std::string name{};        // of the device; empty: the only one that there is
  std::uint16_t queues = 1;  // RX queues, in [1, kWorkersMax]
  // TX queues that are of use: there are as many as the device has, and at least `queues`.
  std::uint16_t tx_queues_wanted = 0;
  std::uint16_t rx_descriptors = 1024;  // a queue; as near to it as the device allows
  // Short, since a small reply waits behind all that is in it: 256 frames of full size are 77 µs at
  // 40 Gb/s.
  std::uint16_t tx_descriptors = 256;
  // Received frames of one queue's worker that may be in use at once, besides the descriptors.
  std::uint32_t rx_buffers_used = 0;
  // The same for frames to be sent that the device does not have yet.
  std::uint32_t tx_buffers_used = 0;
};

// An Ethernet device, started, with buffers: one pool of received frames for all, one pool of
// frames to be sent for each TX queue. A TX queue's pool holds all that
// its ring and its user may hold, so that it is never empty and no queue takes from another.
// Outlives every buffer of its pools. Its threads are those of its users: one at a time per queue.
class EthPort {
 public:
  static std::expected<std::unique_ptr<EthPort>, std::string> open(const EthPortOptions& options,
                                                                   QueueSteering& steering);
  static std::expected<std::string, std::string> driver_of(const std::string& name);
  ~EthPort();
  EthPort(const EthPort&) = delete;
  EthPort& operator=(const EthPort&) = delete;

  std::uint16_t id() const { return id_; }
  const MacAddress& mac() const { return mac_; }
  // False when the device cannot; a virtual one then takes frames to any address.
  bool set_mac(const MacAddress& mac);
  std::uint16_t queues() const { return options_.queues; }
  std::uint16_t tx_queues() const { return tx_queues_; }
  rte_mempool* tx_pool(std::uint16_t queue) const { return pools_[1u + queue].get(); }
  // Frames that the device itself has dropped. Any thread.
  struct Losses {
    std::uint64_t rx_missed = 0;     // no descriptor was free
    std::uint64_t rx_errors = 0;     // damaged
    std::uint64_t rx_no_buffer = 0;  // the pool was empty
    std::uint64_t tx_errors = 0;
  };
  Losses losses() const;
  // Whether at least so many frames wait; true where the device cannot tell. Whoever calls it may
  // receive from the queue.
  bool has_waiting(QueueId rx_queue, std::uint32_t frames) const;
  // RX bursts of fewer frames may never return any: vector drivers take them in fours.
  std::uint32_t rx_burst_min() const { return rx_burst_min_; }

 private:
  struct FreePool {
    void operator()(rte_mempool* pool) const;
  };

  EthPort(const EthPortOptions& options, std::uint16_t id) : options_(options), id_(id) {}
  std::expected<void, std::string> start(QueueSteering& steering);
  std::expected<void, std::string> configure(QueueSteering& steering);
  std::expected<void, std::string> make_pools(int socket);
  std::expected<void, std::string> set_up_queues(int socket);
  std::string failed(const char* what, int rc) const;

  EthPortOptions options_;
  const std::uint16_t id_;
  std::uint16_t tx_queues_ = 0;
  std::vector<std::unique_ptr<rte_mempool, FreePool>> pools_;  // RX, then one per TX queue
  MacAddress mac_{};
  std::uint32_t rx_burst_min_ = 1;
};

// What stands in front of each buffer's data: for the user of the pool.
void* buffer_private(rte_mbuf* buffer);

}  // namespace minos
