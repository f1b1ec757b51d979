#pragma once

#include <fmt/core.h>
#include <rte_config.h>
#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/dpdk_device.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"

// What benchmarks over a virtio device share: a server that takes turns between the bare echo, the
// floor, and what it is compared with, and its client.
namespace minos::rounds {

inline constexpr Ipv4Address kServer = {10, 77, 0, 1};
inline constexpr Ipv4Address kClient = {10, 77, 0, 2};
inline constexpr std::uint16_t kBasePort = 7000;
inline constexpr std::uint16_t kSourcePort = 40000;
// Of one turn: what disturbs the machine disturbs both.
inline constexpr double kSliceSeconds = 0.02;
// Fewer in a slice mean that no client is there.
inline constexpr std::uint64_t kSlicePacketsMin = 1000;

struct CommonOptions {
  std::string path;
  std::uint16_t queues = 1;
  double seconds = 5;
  int cpu = -1;
};

inline void add_common(CLI::App& app, CommonOptions& options) {
  app.add_option("path", options.path, "of the vhost socket")->required();
  app.add_option("--queues", options.queues)->check(CLI::Range(1, 128));
  app.add_option("--seconds", options.seconds);
  app.add_option("--cpu", options.cpu, "to run on");
}

// False: there is no such CPU.
inline bool pin(const CommonOptions& options) {
  if (options.cpu < 0) return true;
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(static_cast<std::size_t>(options.cpu), &cpus);
  return ::sched_setaffinity(0, sizeof cpus, &cpus) == 0;
}

inline double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

inline float median(std::vector<float> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

// What one way of answering did. Times are medians over rounds, which a round that lost its CPU
// does not change.
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

// One turn of `round`, which returns how many packets it answered; `after(worked)` follows it.
template <typename Round, typename After>
void run_slice(Tally& tally, Round round, After after) {
  const double cycles_per_ns = static_cast<double>(rte_get_tsc_hz()) / 1e9;
  std::uint64_t packets = 0;
  const double from = now_s();
  while (now_s() - from < kSliceSeconds) {
    for (int i = 0; i < 64; ++i) {
      const std::uint64_t start = rte_rdtsc();
      const std::size_t n = round();
      after(n != 0);
      if (n == 0) continue;
      const auto ns = static_cast<double>(rte_rdtsc() - start) / cycles_per_ns;
      tally.ns_per_packet.push_back(static_cast<float>(ns / static_cast<double>(n)));
      packets += n;
    }
  }
  tally.packets += packets;
  if (packets < kSlicePacketsMin) return;
  tally.packets_per_s.push_back(
      static_cast<float>(static_cast<double>(packets) / (now_s() - from)));
}

// Addresses of Ethernet and IPv4, and UDP ports: the checksums stay right.
inline void swap_ends(char* frame) {
  std::swap_ranges(frame, frame + 6, frame + 6);
  std::swap_ranges(frame + 26, frame + 30, frame + 30);
  std::swap_ranges(frame + 34, frame + 36, frame + 36);
}

// What came to each queue goes back as it is, over TX queue 0.
inline std::size_t bare_round(std::uint16_t device, std::uint16_t queues) {
  std::size_t all = 0;
  for (std::uint16_t q = 0; q < queues; ++q) {
    std::array<rte_mbuf*, kEthBurst> frames;
    const auto n = rte_eth_rx_burst(device, q, frames.data(), kEthBurst);
    if (n == 0) continue;
    for (std::uint16_t i = 0; i < n; ++i) swap_ends(rte_pktmbuf_mtod(frames[i], char*));
    const auto sent = rte_eth_tx_burst(device, 0, frames.data(), n);
    if (sent < n) rte_pktmbuf_free_bulk(frames.data() + sent, n - sent);
    all += n;
  }
  return all;
}

struct ServerEnd {
  std::unique_ptr<Eal> eal;
  std::unique_ptr<DpdkDevice> device;
};

// Errors: sentences.
inline std::expected<ServerEnd, std::string> open_server(const CommonOptions& options) {
  if (auto removed = remove_stale_socket(options.path); !removed) {
    return std::unexpected(removed.error());
  }
  const auto vdev = vhost_device(options.path, options.queues);
  if (!vdev) return std::unexpected(vdev.error());
  auto eal = Eal::start({"--vdev", *vdev});
  if (!eal) return std::unexpected(eal.error());
  auto device = DpdkDevice::create({.address = kServer,
                                    .mac = local_mac(kServer),
                                    .base_port = kBasePort,
                                    .queues = options.queues});
  if (!device) return std::unexpected(device.error());
  return ServerEnd{std::move(*eal), std::move(*device)};
}

struct ClientEnd {
  std::unique_ptr<Eal> eal;
  std::unique_ptr<DpdkChannel> channel;
};

// Errors: sentences.
inline std::expected<ClientEnd, std::string> open_client(const CommonOptions& options) {
  const auto vdev = virtio_user_device(options.path, options.queues, kClient);
  if (!vdev) return std::unexpected(vdev.error());
  auto eal = Eal::start({"--vdev", *vdev});
  if (!eal) return std::unexpected(eal.error());
  auto channel = DpdkChannel::create({.address = kClient,
                                      .source_port = kSourcePort,
                                      .server_address = kServer,
                                      .server_mac = local_mac(kServer),
                                      .base_port = kBasePort,
                                      .queues = options.queues});
  if (!channel) return std::unexpected(channel.error());
  return ClientEnd{std::move(*eal), std::move(*channel)};
}

}  // namespace minos::rounds
