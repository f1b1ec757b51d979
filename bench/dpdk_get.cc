// GETs over DPDK by the real worker, as a share of the bare echo of the same packets: one process
// takes turns of 20 ms between the two, so that what disturbs the machine disturbs both.
//
//   minos_dpdk_get server /tmp/x.sock --keys 1000000 --values mix --seconds 10 --cpu 0
//   minos_dpdk_get client /tmp/x.sock --keys 1000000 --window 256 --seconds 30 --cpu 1
//
// Values: a number of bytes, or `mix`, the paper's tiny and small ones (1 to 13 bytes 40 %, 14 to
// 1400 bytes 60 %). Keys are 8 bytes, asked for at random.

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

#include "base/hash.h"
#include "base/prng.h"
#include "store/kv_store.h"
#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/dpdk_device.h"
#include "transport/dpdk/dpdk_port.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"
#include "transport/dpdk/poll_pause.h"
#include "wire/datagram.h"
#include "worker/datagram_shared.h"
#include "worker/planner.h"
#include "worker/worker.h"

namespace minos {
namespace {

constexpr Ipv4Address kServer = {10, 77, 0, 1};
constexpr Ipv4Address kClient = {10, 77, 0, 2};
constexpr std::uint16_t kBasePort = 7000;
constexpr double kSliceSeconds = 0.02;

struct Options {
  std::string path;
  std::uint16_t queues = 1;
  double seconds = 5;
  int cpu = -1;
  std::uint64_t keys = 1'000'000;
  std::string values = "8";
  std::size_t window = 256;
};

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

float median(std::vector<float> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

int fail(const std::string& why) {
  fmt::print(stderr, "minos_dpdk_get: {}\n", why);
  return 1;
}

struct SteadyTime final : Clock {
  Nanos now() const override { return std::chrono::steady_clock::now().time_since_epoch(); }
};

struct NoStats final : StatsSource {
  bool append_stats(std::string_view, Now, std::string&) override { return false; }
  void set_verbosity(std::uint32_t) override {}
};

class Server {
 public:
  Server(DpdkDevice& device, const Options& options)
      : device_(device), options_(options), port_(device, 0, 0), mesh_(1) {
    StoreOptions store;
    store.memory_bytes = 16 * kGiB;
    store_ = *KvStore::create(store);
    ControllerOptions controller;
    controller.threshold_min_bytes = kReplyFragmentBytes;
    plans_ = std::make_unique<PlanBoard>(Planner::initial(controller), std::uint16_t{1});
    datagrams_ = std::make_unique<DatagramShared>(*store_, std::uint16_t{1}, options.queues,
                                                  AddressTokens::Secret{1});
    WorkerConfig config;
    config.planes = {&port_};
    const WorkerShared shared{*store_, mesh_,         *plans_,         *policy_,
                              clock_,  stats_source_, datagrams_.get()};
    worker_ = std::make_unique<Worker>(config, shared, stats_);
  }

  void preload() {
    StoreCore& core = store_->core(CoreId{0});
    const std::string bytes(kDatagramBytesMax, 'v');
    Prng random(1);
    for (std::uint64_t i = 0; i < options_.keys; ++i) {
      const std::string_view key(reinterpret_cast<const char*>(&i), sizeof i);
      std::size_t size = 0;
      if (options_.values != "mix") {
        size = std::stoul(options_.values);
      } else {
        size = random.below(10) < 4 ? 1 + random.below(13) : 14 + random.below(1387);
      }
      core.put(StoreMode::kSet, key, hash_key(key), {}, {bytes.data(), size}, 0, {});
      core.quiesce();
    }
    fmt::print("{} of {} keys stored\n", store_->stats().items, options_.keys);
    std::fflush(stdout);
  }

  void run() {
    const double end = now_s() + options_.seconds;
    while (now_s() < end) {
      slice(bare_, [this] { return bare_round(); });
      slice(get_, [this] { return get_round(); });
    }
    for (const auto& [name, tally] : {std::pair{"bare", &bare_}, std::pair{"get ", &get_}}) {
      fmt::print("{}: {:.1f} ns a packet, {:.2f} M/s, {:.1f} packets a round\n", name,
                 median(tally->ns_per_packet), median(tally->packets_per_s) / 1e6,
                 static_cast<double>(tally->packets) /
                     static_cast<double>(std::max<std::size_t>(tally->ns_per_packet.size(), 1)));
    }
    fmt::print("get / bare in M/s: {:.2f}; hits {}, misses {}\n",
               median(get_.packets_per_s) / median(bare_.packets_per_s),
               stats_.get(Counter::kGetHits), stats_.get(Counter::kGetMisses));
  }

 private:
  // Times are medians over rounds, which a round that lost its CPU does not change.
  struct Tally {
    std::vector<float> ns_per_packet;
    std::vector<float> packets_per_s;  // by slice
    std::uint64_t packets = 0;
  };

  template <typename Round>
  void slice(Tally& tally, Round round) {
    const double cycles_per_ns = static_cast<double>(rte_get_tsc_hz()) / 1e9;
    std::uint64_t packets = 0;
    const double from = now_s();
    while (now_s() - from < kSliceSeconds) {
      for (int i = 0; i < 64; ++i) {
        const std::uint64_t start = rte_rdtsc();
        const std::size_t n = round();
        if (n == 0) continue;
        const auto ns = static_cast<double>(rte_rdtsc() - start) / cycles_per_ns;
        tally.ns_per_packet.push_back(static_cast<float>(ns / static_cast<double>(n)));
        packets += n;
      }
    }
    tally.packets += packets;
    if (packets < 1000) return;  // no client
    tally.packets_per_s.push_back(
        static_cast<float>(static_cast<double>(packets) / (now_s() - from)));
  }

  std::size_t bare_round() {
    std::size_t all = 0;
    for (std::uint16_t q = 0; q < options_.queues; ++q) {
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

  // What minosd's thread does in a round.
  std::size_t get_round() {
    const RxPlan plan = worker_->rx_plan();
    rx_.clear();
    port_.receive(plan.queues, rx_.packets, rx_.queues_full);
    rx_.arrived = clock_.now();
    worker_->step({rx_.arrived, 1'000'000'000}, rx_, tx_);
    port_.flush();
    return rx_.packets.size();
  }

  DpdkDevice& device_;
  const Options& options_;
  DpdkPort port_;
  SteadyTime clock_;
  NoStats stats_source_;
  std::unique_ptr<KvStore> store_;
  std::unique_ptr<const Policy> policy_ = make_policy(PolicyKind::kElastic);
  Mesh mesh_;
  std::unique_ptr<PlanBoard> plans_;
  std::unique_ptr<DatagramShared> datagrams_;
  WorkerStats stats_;
  std::unique_ptr<Worker> worker_;
  Rx rx_;
  Tx tx_;
  Tally bare_;
  Tally get_;
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
  auto server = std::make_unique<Server>(**device, options);
  server->preload();
  server->run();
  return 0;
}

// Requests written ahead; each time one is sent, only its token is new.
class Client {
 public:
  Client(DpdkChannel& channel, const Options& options) : channel_(channel), options_(options) {
    Prng random(7);
    for (std::string& request : requests_) {
      const std::uint64_t id = random.below(options.keys);
      Datagram get;
      get.header.op = DatagramOp::kGet;
      get.key = {reinterpret_cast<const char*>(&id), sizeof id};
      request.resize(kDatagramFrontBytesMax);
      request.resize(write_front(get, request.data()));
    }
  }

  void run() {
    const double from = now_s();
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
    double heard = from;
    double at = from;
    for (; at < from + options_.seconds; at = now_s()) {
      // What was lost at a change of server is not waited for.
      if (at - heard > 0.001) sent = received;
      for (int burst = 0; sent < received + options_.window && burst < 64; ++burst) {
        std::string& request = requests_[next_++ % requests_.size()];
        std::memcpy(request.data() + 8, &token_, sizeof token_);
        const QueueId queue{static_cast<std::uint16_t>(sent % options_.queues)};
        if (channel_.send(queue, request, {})) ++sent;
      }
      channel_.flush();
      datagrams_.clear();
      const std::size_t n = channel_.receive(datagrams_);
      if (n == 0) continue;
      heard = at;
      received += n;
      // An echo is a request; a reply carries the token.
      if (const auto reply = parse_reply(datagrams_.back())) token_ = reply->header.token;
    }
    fmt::print("client: {:.2f} M packets/s\n", static_cast<double>(received) / (at - from) / 1e6);
  }

 private:
  DpdkChannel& channel_;
  const Options& options_;
  std::vector<std::string> requests_{1 << 17};
  std::vector<std::string_view> datagrams_;
  std::size_t next_ = 0;
  std::uint64_t token_ = 0;
};

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
  Client(**channel, options).run();
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app("GETs over DPDK beside the bare echo of the same packets");
  app.require_subcommand(1);
  Options options;
  CLI::App* const server = app.add_subcommand("server");
  CLI::App* const client = app.add_subcommand("client");
  for (CLI::App* const command : {server, client}) {
    command->add_option("path", options.path, "of the vhost socket")->required();
    command->add_option("--queues", options.queues)->check(CLI::Range(1, 128));
    command->add_option("--seconds", options.seconds);
    command->add_option("--cpu", options.cpu, "to run on");
    command->add_option("--keys", options.keys);
  }
  server->add_option("--values", options.values, "bytes, or mix");
  client->add_option("--window", options.window, "requests on their way");
  CLI11_PARSE(app, argc, argv);
  if (options.cpu >= 0) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<std::size_t>(options.cpu), &cpus);
    if (::sched_setaffinity(0, sizeof cpus, &cpus) != 0) return fail("--cpu: no such CPU");
  }
  return server->parsed() ? serve(options) : run_client(options);
}

}  // namespace
}  // namespace minos

int main(int argc, char** argv) {
  return minos::run(argc, argv);
}
