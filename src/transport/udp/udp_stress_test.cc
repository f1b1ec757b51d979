// Several workers on shared queues, and clients that send them numbered datagrams, single and in
// trains; every datagram is echoed. A datagram that is lost, doubled, or mixed up with another one
// shows at its client; a race shows under TSan.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "transport/network.h"
#include "transport/testing/udp_port_fixture.h"

namespace minos {
namespace {

constexpr std::uint16_t kQueues = 2;
constexpr int kWorkers = 3;
constexpr int kClients = 3;
constexpr int kRounds = 300;
constexpr int kPerRound = 20;  // few enough for any socket buffer
constexpr std::size_t kBytes = 200;

std::string datagram(std::uint32_t number) {
  std::string out(kBytes, static_cast<char>(number * 31));
  std::memcpy(out.data(), &number, sizeof number);
  return out;
}

void echo(UdpPort& port, const RxPacket& packet, int i) {
  if (i % 2 == 0) {
    if (char* const room = port.room(packet.peer); room != nullptr) {
      std::memcpy(room, packet.bytes.data(), packet.bytes.size());
      port.commit(packet.bytes.size());
    }
  } else {
    const std::array<iovec, 1> rest{part_of(packet.bytes.substr(10))};
    port.gather(packet.peer, packet.bytes.substr(0, 10), rest);
  }
}

void serve(Network& network, UdpPort& port, const std::atomic<bool>& done) {
  constexpr std::array<RxQueueQuota, 2> kQuotas{{{QueueId{0}, 5}, {QueueId{1}, 5}}};
  Rx rx;
  Tx tx;
  std::vector<KeptPacket> kept;
  while (!done.load()) {
    RxPlan plan;
    plan.block = Nanos(-1);
    plan.queues = kQuotas;
    rx.clear();
    if (network.take_datagrams(plan, rx)) plan.block = Nanos(0);
    network.receive(plan, rx);
    // Half of them are answered a round later, from memory of their own.
    for (const KeptPacket& packet : kept) {
      echo(port, RxPacket{packet.peer(), packet.bytes(), nullptr},
           static_cast<int>(rx.packets.size()));
    }
    network.send(tx);
    kept.clear();
    for (std::size_t i = 0; i < rx.packets.size(); ++i) {
      if (i % 2 == 0) {
        echo(port, rx.packets[i], static_cast<int>(i / 2));
      } else {
        kept.push_back(port.keep(rx.packets[i]));
      }
    }
    network.send(tx);
    if (!kept.empty()) network.wake();
  }
}

void ask(UdpClient& client, std::uint32_t first) {
  for (int round = 0; round < kRounds; ++round) {
    std::string train;
    for (std::uint32_t i = 0; i < kPerRound; ++i) {
      const std::string one = datagram(first + i);
      if (i % 4 == 0) {
        client.send(one);
      } else {
        train += one;
      }
    }
    client.send_train(train, kBytes);
    std::vector<int> seen(kPerRound);
    for (int i = 0; i < kPerRound; ++i) {
      const auto reply = client.receive();
      ASSERT_TRUE(reply.has_value()) << "a reply is missing in round " << round;
      std::uint32_t number = 0;
      ASSERT_GE(reply->size(), sizeof number);
      std::memcpy(&number, reply->data(), sizeof number);
      ASSERT_LT(number - first, static_cast<std::uint32_t>(kPerRound));
      ASSERT_EQ(*reply, datagram(number));
      ASSERT_EQ(seen[number - first]++, 0);
    }
    first += kPerRound;
  }
}

TEST(UdpStress, EveryDatagramIsAnsweredOnce) {
  const auto queues = open_queues(kQueues);
  std::vector<std::unique_ptr<Network>> networks;
  std::vector<UdpPort*> ports;
  for (int i = 0; i < kWorkers; ++i) {
    auto port = std::make_unique<UdpPort>(*queues, UdpPort::Options());
    ports.push_back(port.get());
    Sleeper* const sleeper = port.get();
    std::vector<Plane> planes;
    planes.push_back({std::move(port), sleeper});
    networks.push_back(std::move(*Network::create(std::move(planes))));
  }
  std::atomic<bool> done{false};
  std::vector<std::jthread> workers;
  for (std::size_t i = 0; i < kWorkers; ++i) {
    workers.emplace_back([&, i] { serve(*networks[i], *ports[i], done); });
  }
  {
    std::vector<std::jthread> clients;
    for (std::uint32_t i = 0; i < kClients; ++i) {
      clients.emplace_back([&, i] {
        UdpClient client(queues->socket(QueueId{static_cast<std::uint16_t>(i % kQueues)}));
        ask(client, i * 1'000'000);
      });
    }
  }
  std::uint64_t answered = 0;
  for (const UdpPort* port : ports) answered += port->counters().packets_out.get();
  EXPECT_EQ(answered, std::uint64_t{kClients} * kRounds * kPerRound);
  done.store(true);
  for (const auto& network : networks) network->wake();
}

}  // namespace
}  // namespace minos
