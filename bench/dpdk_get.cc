// GETs over DPDK by the real worker, as a share of the bare echo of the same packets: one process
// takes turns of 20 ms between the two, so that what disturbs the machine disturbs both.
//
//   minos_dpdk_get server /tmp/x.sock --keys 1000000 --values mix --seconds 10 --cpu 0
//   minos_dpdk_get client /tmp/x.sock --keys 1000000 --window 256 --seconds 30 --cpu 1
//
// Values: a number of bytes, or `mix`, the paper's tiny and small ones (1 to 13 bytes 40 %, 14 to
// 1400 bytes 60 %). Keys are 8 bytes, asked for at random.
//
// With values of more than a datagram (--values 500000 --keys 100, and --window 2 for the client) a
// packet is one that was sent; what it costs is to be held against minos_dpdk_echo --bytes 1472.

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/prng.h"
#include "dpdk_rounds.h"
#include "store/kv_store.h"
#include "transport/dpdk/dpdk_port.h"
#include "wire/datagram.h"
#include "worker/datagram_shared.h"
#include "worker/planner.h"
#include "worker/worker.h"

namespace minos::rounds {
namespace {

struct Options : CommonOptions {
  std::uint64_t keys = 1'000'000;
  std::string values = "8";
  std::size_t window = 256;
};

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
    const std::size_t fixed_bytes = options_.values == "mix" ? 0 : std::stoul(options_.values);
    const std::string bytes(std::max(fixed_bytes, kDatagramBytesMax), 'v');
    Prng random(1);
    for (std::uint64_t i = 0; i < options_.keys; ++i) {
      const std::string_view key(reinterpret_cast<const char*>(&i), sizeof i);
      std::size_t size = fixed_bytes;
      if (options_.values == "mix") {
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
      const auto polls_on = [](bool) {};
      const auto bare = [this] { return bare_round(device_.eth().id(), options_.queues); };
      run_slice(bare_, bare, polls_on);
      run_slice(get_, [this] { return get_round(); }, polls_on);
    }
    bare_.print("bare");
    get_.print("get ");
    fmt::print("get / bare in M/s: {:.2f}; hits {}, misses {}\n",
               median(get_.packets_per_s) / median(bare_.packets_per_s),
               stats_.get(Counter::kGetHits), stats_.get(Counter::kGetMisses));
  }

 private:
  // What minosd's thread does in a round.
  std::size_t get_round() {
    const RxPlan plan = worker_->rx_plan();
    rx_.clear();
    port_.receive(plan.queues, rx_.packets, rx_.queues_full);
    rx_.arrived = clock_.now();
    worker_->step({rx_.arrived, 1'000'000'000}, rx_, tx_);
    port_.flush();
    const std::uint64_t sent = device_.counters(0).tx.sent.get();
    return sent - std::exchange(sent_, sent);
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
  std::uint64_t sent_ = 0;
  Tally bare_;
  Tally get_;
};

int serve(const Options& options) {
  const auto end = open_server(options);
  if (!end) return fail(end.error());
  auto server = std::make_unique<Server>(*end->device, options);
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
    const std::size_t packets = packets_of_a_reply();
    std::uint64_t sent = 0;  // replies to come, in packets
    std::uint64_t received = 0;
    double heard = from;
    double at = from;
    for (; at < from + options_.seconds; at = now_s()) {
      // What was lost at a change of server is not waited for.
      if (at - heard > 0.001) sent = received;
      const std::uint64_t due = received + options_.window * packets;
      for (int burst = 0; sent < due && burst < 64; ++burst) {
        std::string& request = requests_[next_++ % requests_.size()];
        std::memcpy(request.data() + 8, &token_, sizeof token_);
        const QueueId queue{static_cast<std::uint16_t>(next_ % options_.queues)};
        if (channel_.send(queue, request, {})) sent += packets;
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
  std::size_t packets_of_a_reply() const {
    if (options_.values == "mix") return 1;
    return (std::max(std::stoul(options_.values), 1UL) - 1) / kReplyFragmentBytes + 1;
  }

  DpdkChannel& channel_;
  const Options& options_;
  std::vector<std::string> requests_{1 << 17};
  std::vector<std::string_view> datagrams_;
  std::size_t next_ = 0;
  std::uint64_t token_ = 0;
};

int run_client(const Options& options) {
  const auto end = open_client(options);
  if (!end) return fail(end.error());
  Client(*end->channel, options).run();
  return 0;
}

int run(int argc, char** argv) {
  CLI::App app("GETs over DPDK beside the bare echo of the same packets");
  app.require_subcommand(1);
  Options options;
  CLI::App* const server = app.add_subcommand("server");
  CLI::App* const client = app.add_subcommand("client");
  for (CLI::App* const command : {server, client}) {
    add_common(*command, options);
    command->add_option("--keys", options.keys);
    command->add_option("--values", options.values, "bytes, or mix");
  }
  client->add_option("--window", options.window, "requests on their way");
  CLI11_PARSE(app, argc, argv);
  if (!pin(options)) return fail("--cpu: no such CPU");
  return server->parsed() ? serve(options) : run_client(options);
}

}  // namespace
}  // namespace minos::rounds

int main(int argc, char** argv) {
  return minos::rounds::run(argc, argv);
}
