#include <signal.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "transport/dpdk/dpdk_device.h"
#include "transport/dpdk/dpdk_port.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"
#include "transport/dpdk/poll_pause.h"
#include "transport/dpdk/testing/echo.h"

namespace minos::echo {
namespace {

constexpr std::size_t kQuantum = 16;

// Relaxed: a flag by itself, set by the signal handler.
std::atomic<bool> stopping{false};

struct KeptPackets {
  std::mutex mutex;
  std::vector<KeptPacket> packets;
};

class EchoWorker {
 public:
  EchoWorker(DpdkDevice& device, std::uint16_t index, KeptPackets& kept)
      : port_(device, index, 0), kept_(kept) {
    for (std::uint16_t q = 0; q < kQueues; ++q) {
      quotas_.push_back({QueueId{static_cast<std::uint16_t>((index + q) % kQueues)}, 32});
    }
  }

  void run() {
    const EalThread thread;
    while (!stopping.load(std::memory_order_relaxed)) step();
  }

 private:
  struct Large {
    Peer peer;
    std::uint32_t left = 0;
  };

  void step() {
    packets_.clear();
    std::uint32_t full = 0;
    port_.receive(quotas_, packets_, full);
    for (const RxPacket& packet : packets_) answer(packet);
    send_large();
    port_.flush();
    pause_.after_round(!packets_.empty() || !large_.empty());
  }

  void answer(const RxPacket& packet) {
    switch (packet.bytes.empty() ? 'S' : packet.bytes[0]) {
      case 'K':
        return keep(packet);
      case 'R':
        return release();
      case 'L': {
        Large large{packet.peer};
        std::memcpy(&large.left, packet.bytes.data() + 1, sizeof large.left);
        large_.push_back(large);
        return;
      }
      default:
        return echo(packet.peer, packet.bytes);
    }
  }

  void echo(const Peer& peer, std::string_view bytes) {
    char* room = port_.room(peer);
    if (room == nullptr) return;
    std::memcpy(room, bytes.data(), bytes.size());
    port_.commit(bytes.size());
  }

  void keep(const RxPacket& packet) {
    KeptPacket kept = port_.keep(packet);
    if (!kept) return;
    const std::scoped_lock lock(kept_.mutex);
    kept_.packets.push_back(std::move(kept));
  }

  // Whichever worker that is: packets that another one kept are released here too.
  void release() {
    std::vector<KeptPacket> taken;
    {
      const std::scoped_lock lock(kept_.mutex);
      taken.swap(kept_.packets);
    }
    for (const KeptPacket& packet : taken) echo(packet.peer(), packet.bytes());
  }

  void send_large() {
    static const std::string kPayload(kLargeBytes - 1, 'x');
    for (std::size_t sent = 0; sent < kQuantum && !large_.empty(); ++sent) {
      char* payload = const_cast<char*>(kPayload.data());
      const iovec parts[] = {{payload, 1000}, {payload + 1000, kPayload.size() - 1000}};
      if (!port_.gather(large_.back().peer, "l", parts)) return;
      if (--large_.back().left == 0) large_.pop_back();
    }
  }

  DpdkPort port_;
  KeptPackets& kept_;
  PollPause pause_;
  std::vector<RxQueueQuota> quotas_;
  std::vector<RxPacket> packets_;
  std::vector<Large> large_;
};

int server_fails(const std::string& why) {
  std::fprintf(stderr, "echo server: %s\n", why.c_str());
  return 1;
}

int report(DpdkDevice& device, std::uint16_t workers) {
  std::uint64_t lost = 0;
  for (std::uint16_t worker = 0; worker < workers; ++worker) {
    const DpdkCounters& counters = device.counters(worker);
    for (std::size_t reason = 0; reason < kFrameDrops; ++reason) {
      const std::uint64_t n = counters.dropped[reason].get();
      if (n == 0) continue;
      std::fprintf(stderr, "echo server: %s: %lu\n",
                   std::string(name(static_cast<FrameDrop>(reason))).c_str(), n);
      lost += n;
    }
    if (counters.no_room.get() + counters.not_kept.get() > 0) {
      std::fprintf(stderr, "echo server: no room %lu, not kept %lu\n", counters.no_room.get(),
                   counters.not_kept.get());
      ++lost;
    }
    if (device.kept(worker).load() != 0) return server_fails("packets are still kept");
  }
  return lost == 0 ? 0 : 1;
}

}  // namespace

int serve(const std::string& path, std::uint16_t threads) {
  ::signal(SIGTERM, [](int) { stopping.store(true, std::memory_order_relaxed); });
  if (const auto removed = remove_stale_socket(path); !removed)
    return server_fails(removed.error());
  const auto vdev = vhost_device(path, kQueues);
  if (!vdev) return server_fails(vdev.error());
  const auto eal = Eal::start({"--vdev", *vdev, "-m", "128"});
  if (!eal) return server_fails(eal.error());
  auto device = DpdkDevice::create({.address = kServerAddress,
                                    .mac = kServerMac,
                                    .base_port = kBasePort,
                                    .queues = kQueues,
                                    .workers = threads});
  if (!device) return server_fails(device.error());
  std::puts("ready");
  std::fflush(stdout);
  {
    KeptPackets kept;
    std::vector<std::unique_ptr<EchoWorker>> workers;
    workers.reserve(threads);
    for (std::uint16_t i = 0; i < threads; ++i) {
      workers.push_back(std::make_unique<EchoWorker>(**device, i, kept));
    }
    std::vector<std::jthread> running;
    running.reserve(threads);
    for (const auto& worker : workers) running.emplace_back([&worker] { worker->run(); });
  }
  return report(**device, threads);
}

}  // namespace minos::echo
