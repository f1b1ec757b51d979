// What a DPDK plane costs without a store behind it: datagrams are sent back as they came, over raw
// bursts with addresses swapped in place (`bare`, the floor), or through DpdkPort (`port`). `both`
// takes turns of 20 ms, so that what disturbs the machine disturbs both.
//
//   minos_dpdk_echo server /tmp/x.sock --mode both --seconds 10 --cpu 0
//   minos_dpdk_echo client /tmp/x.sock --bytes 50 --window 256 --seconds 8 --cpu 1
//   minos_dpdk_echo client /tmp/x.sock --bytes 50 --rate 1000000 --seconds 8 --cpu 1

#include <fmt/core.h>
#include <rte_config.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/dpdk_device.h"
#include "transport/dpdk/dpdk_port.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"
#include "transport/dpdk/poll_pause.h"

namespace minos {
namespace {

constexpr Ipv4Address kServer = {10, 77, 0, 1};
constexpr Ipv4Address kClient = {10, 77, 0, 2};
constexpr std::uint16_t kBasePort = 7000;
constexpr double kSliceSeconds = 0.02;

struct Options {
  std::string path;
  std::string mode = "both";
  std::uint16_t queues = 1;
  double seconds = 5;
  int cpu = -1;
  std::size_t bytes = 50;
  std::size_t window = 256;
  double rate = 0;
};

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

float median(std::vector<float> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

int fail(const std::string& why) {
  fmt::print(stderr, "minos_dpdk_echo: {}\n", why);
  return 1;
}

// What one way of echoing did. Times are medians over rounds, which a round that lost its CPU does
// not change.
struct Tally {
  std::vector<float> ns_per_packet;  // by round
  std::vector<float> packets_per_s;  // by slice
  std::uint64_t packets = 0;

  void print(const char* name) const {
    if (packets == 0) return;
    fmt::print("{}: {:.1f} ns a packet, {:.2f} M packets/s, {:.1f} packets a round\n", name,
               median(ns_per_packet), median(packets_per_s) / 1e6,
               static_cast<double>(packets) / static_cast<double>(ns_per_packet.size()));
  }
};

class EchoServer {
 public:
  EchoServer(DpdkDevice& device, std::uint16_t queues)
      : device_(device), port_(device, 0, 0), queues_(queues) {
    for (std::uint16_t q = 0; q < queues; ++q) quotas_.push_back({QueueId{q}, kEthBurst});
  }

  void run(const Options& options) {
    Tally bare;
    Tally port;
    const double end = now() + options.seconds;
    while (now() < end) {
      if (options.mode != "port") slice(bare, &EchoServer::bare_round);
      if (options.mode != "bare") slice(port, &EchoServer::port_round);
    }
    bare.print("bare");
    port.print("port");
    if (bare.packets > 0 && port.packets > 0) {
      fmt::print("port / bare: {:.2f} times the time a packet\n",
                 median(port.ns_per_packet) / median(bare.ns_per_packet));
    }
  }

 private:
  using Round = std::size_t (EchoServer::*)();

  void slice(Tally& tally, Round round) {
    const double cycles_per_ns = static_cast<double>(rte_get_tsc_hz()) / 1e9;
    std::uint64_t packets = 0;
    const double from = now();
    while (now() - from < kSliceSeconds) {
      for (int i = 0; i < 64; ++i) {
        const std::uint64_t start = rte_rdtsc();
        const std::size_t n = (this->*round)();
        if (n == 0) {
          pause_.idle();
          continue;
        }
        pause_.worked();
        const auto ns = static_cast<double>(rte_rdtsc() - start) / cycles_per_ns;
        tally.ns_per_packet.push_back(static_cast<float>(ns / static_cast<double>(n)));
        packets += n;
      }
    }
    tally.packets += packets;
    if (packets < 1000) return;  // no client
    tally.packets_per_s.push_back(
        static_cast<float>(static_cast<double>(packets) / (now() - from)));
  }

  std::size_t bare_round() {
    std::size_t all = 0;
    for (std::uint16_t q = 0; q < queues_; ++q) {
      std::array<rte_mbuf*, kEthBurst> frames;
      const auto n = rte_eth_rx_burst(device_.eth().id(), q, frames.data(), kEthBurst);
      if (n == 0) continue;
      for (std::uint16_t i = 0; i < n; ++i) swap(rte_pktmbuf_mtod(frames[i], char*));
      const auto sent = rte_eth_tx_burst(device_.eth().id(), 0, frames.data(), n);
      if (sent < n) rte_pktmbuf_free_bulk(frames.data() + sent, n - sent);
      all += n;
    }
    return all;
  }

  // Addresses of Ethernet and IPv4, and UDP ports: the checksums stay right.
  static void swap(char* frame) {
    std::swap_ranges(frame, frame + 6, frame + 6);
    std::swap_ranges(frame + 26, frame + 30, frame + 30);
    std::swap_ranges(frame + 34, frame + 36, frame + 36);
  }

  std::size_t port_round() {
    std::uint32_t full = 0;
    packets_.clear();
    port_.receive(quotas_, packets_, full);
    for (const RxPacket& packet : packets_) {
      char* room = port_.room(packet.peer);
      if (room == nullptr) continue;
      std::memcpy(room, packet.bytes.data(), packet.bytes.size());
      port_.commit(packet.bytes.size());
    }
    port_.flush();
    return packets_.size();
  }

  DpdkDevice& device_;
  DpdkPort port_;
  const std::uint16_t queues_;
  PollPause pause_;
  std::vector<RxQueueQuota> quotas_;
  std::vector<RxPacket> packets_;
};

int serve(const Options& options) {
  if (const auto removed = remove_stale_socket(options.path); !removed) {
    return fail(removed.error());
  }
  const auto vdev = vhost_device(options.path, options.queues);
  if (!vdev) return fail(vdev.error());
  const auto eal = Eal::start({"--vdev", *vdev});
  if (!eal) return fail(eal.error());
  const auto device = DpdkDevice::create({.address = kServer,
                                          .mac = local_mac(kServer),
                                          .base_port = kBasePort,
                                          .queues = options.queues});
  if (!device) return fail(device.error());
  EchoServer(**device, options.queues).run(options);
  return 0;
}

int run_client(const Options& options) {
  const auto vdev = virtio_user_device(options.path, options.queues, kClient);
  if (!vdev) return fail(vdev.error());
  const auto eal = Eal::start({"--vdev", *vdev});
  if (!eal) return fail(eal.error());
  const auto channel = DpdkChannel::create({.address = kClient,
                                            .source_port = 40000,
                                            .server_address = kServer,
                                            .server_mac = local_mac(kServer),
                                            .base_port = kBasePort,
                                            .queues = options.queues});
  if (!channel) return fail(channel.error());

  const std::string payload(options.bytes, 'x');
  std::vector<std::string_view> datagrams;
  PollPause pause;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t unsent = 0;
  const double from = now();
  double at = from;
  for (; at < from + options.seconds; at = now()) {
    const std::uint64_t due = options.rate > 0
                                  ? static_cast<std::uint64_t>((at - from) * options.rate)
                                  : received + options.window;
    for (int burst = 0; sent + unsent < due && burst < 64; ++burst) {
      const QueueId queue{static_cast<std::uint16_t>(sent % options.queues)};
      (*channel)->send(queue, payload, {}) ? ++sent : ++unsent;
    }
    (*channel)->flush();
    datagrams.clear();
    const std::size_t n = (*channel)->receive(datagrams);
    received += n;
    n == 0 ? pause.idle() : pause.worked();
  }
  fmt::print("client: {:.2f} M packets/s, {} sent, {} received, {} had no room\n",
             static_cast<double>(received) / (at - from) / 1e6, sent, received, unsent);
  return 0;
}

void add_common(CLI::App& app, Options& options) {
  app.add_option("path", options.path, "of the vhost socket")->required();
  app.add_option("--queues", options.queues)->check(CLI::Range(1, 128));
  app.add_option("--seconds", options.seconds);
  app.add_option("--cpu", options.cpu, "to run on");
}

}  // namespace
}  // namespace minos

int main(int argc, char** argv) {
  minos::Options options;
  CLI::App app("Echo over DPDK, on a virtio device between two processes");
  app.require_subcommand(1);
  auto* server = app.add_subcommand("server", "sends back what it receives");
  minos::add_common(*server, options);
  server->add_option("--mode", options.mode)->check(CLI::IsMember({"bare", "port", "both"}));
  auto* client = app.add_subcommand("client", "sends datagrams and counts what comes back");
  minos::add_common(*client, options);
  client->add_option("--bytes", options.bytes, "of a datagram")->check(CLI::Range(0, 1472));
  client->add_option("--window", options.window, "datagrams on their way");
  client->add_option("--rate", options.rate, "datagrams a second, whatever comes back");
  CLI11_PARSE(app, argc, argv);
  if (options.cpu >= 0) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(options.cpu, &cpus);
    if (::sched_setaffinity(0, sizeof cpus, &cpus) != 0) return minos::fail("no such CPU");
  }
  return server->parsed() ? minos::serve(options) : minos::run_client(options);
}
