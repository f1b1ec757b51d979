// What a DPDK plane costs without a store behind it: datagrams are sent back as they came, over raw
// bursts with addresses swapped in place (`bare`, the floor), or through DpdkPort (`port`). `both`
// takes turns of 20 ms, so that what disturbs the machine disturbs both.
//
//   minos_dpdk_echo server /tmp/x.sock --mode both --seconds 10 --cpu 0
//   minos_dpdk_echo client /tmp/x.sock --bytes 50 --window 256 --seconds 8 --cpu 1
//   minos_dpdk_echo client /tmp/x.sock --bytes 50 --rate 1000000 --seconds 8 --cpu 1

#include <cstring>
#include <string>
#include <vector>

#include "dpdk_rounds.h"
#include "transport/dpdk/dpdk_port.h"
#include "transport/dpdk/poll_pause.h"

namespace minos::rounds {
namespace {

struct Options : CommonOptions {
  std::string mode = "both";
  std::size_t bytes = 50;
  std::size_t window = 256;
  double rate = 0;
};

int fail(const std::string& why) {
  fmt::print(stderr, "minos_dpdk_echo: {}\n", why);
  return 1;
}

class EchoServer {
 public:
  EchoServer(DpdkDevice& device, std::uint16_t queues)
      : device_(device), port_(device, 0, 0), queues_(queues) {
    for (std::uint16_t q = 0; q < queues; ++q) quotas_.push_back({QueueId{q}, kEthBurst});
  }

  void run(const Options& options) {
    Tally bare;
    Tally port;
    const double end = now_s() + options.seconds;
    while (now_s() < end) {
      if (options.mode != "port")
        slice(bare, [this] { return bare_round(device_.eth().id(), queues_); });
      if (options.mode != "bare") slice(port, [this] { return port_round(); });
    }
    bare.print("bare");
    port.print("port");
    if (bare.packets > 0 && port.packets > 0) {
      fmt::print("port / bare: {:.2f} times the time a packet\n",
                 median(port.ns_per_packet) / median(bare.ns_per_packet));
    }
  }

 private:
  template <typename Round>
  void slice(Tally& tally, Round round) {
    run_slice(tally, round, [this](bool worked) { pause_.after_round(worked); });
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
  const auto end = open_server(options);
  if (!end) return fail(end.error());
  EchoServer(*end->device, options.queues).run(options);
  return 0;
}

int run_client(const Options& options) {
  const auto end = open_client(options);
  if (!end) return fail(end.error());
  DpdkChannel& channel = *end->channel;
  const std::string payload(options.bytes, 'x');
  std::vector<std::string_view> datagrams;
  PollPause pause;
  std::uint64_t sent = 0;
  std::uint64_t received = 0;
  std::uint64_t unsent = 0;
  const double from = now_s();
  double at = from;
  for (; at < from + options.seconds; at = now_s()) {
    const std::uint64_t due = options.rate > 0
                                  ? static_cast<std::uint64_t>((at - from) * options.rate)
                                  : received + options.window;
    for (int burst = 0; sent + unsent < due && burst < 64; ++burst) {
      const QueueId queue{static_cast<std::uint16_t>(sent % options.queues)};
      channel.send(queue, payload, {}) ? ++sent : ++unsent;
    }
    channel.flush();
    datagrams.clear();
    const std::size_t n = channel.receive(datagrams);
    received += n;
    pause.after_round(n != 0);
  }
  fmt::print("client: {:.2f} M packets/s, {} sent, {} received, {} had no room\n",
             static_cast<double>(received) / (at - from) / 1e6, sent, received, unsent);
  return 0;
}

}  // namespace
}  // namespace minos::rounds

int main(int argc, char** argv) {
  minos::rounds::Options options;
  CLI::App app("Echo over DPDK, on a virtio device between two processes");
  app.require_subcommand(1);
  auto* server = app.add_subcommand("server", "sends back what it receives");
  minos::rounds::add_common(*server, options);
  server->add_option("--mode", options.mode)->check(CLI::IsMember({"bare", "port", "both"}));
  auto* client = app.add_subcommand("client", "sends datagrams and counts what comes back");
  minos::rounds::add_common(*client, options);
  client->add_option("--bytes", options.bytes, "of a datagram")->check(CLI::Range(0, 1472));
  client->add_option("--window", options.window, "datagrams on their way");
  client->add_option("--rate", options.rate, "datagrams a second, whatever comes back");
  CLI11_PARSE(app, argc, argv);
  if (!minos::rounds::pin(options)) return minos::rounds::fail("--cpu: no such CPU");
  return server->parsed() ? minos::rounds::serve(options) : minos::rounds::run_client(options);
}
