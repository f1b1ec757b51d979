#include "transport/dpdk/dpdk_port.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rte_config.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "transport/dpdk/eal.h"
#include "transport/frame/testing/reference_frame.h"

namespace minos {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr MacAddress kMac = {2, 0, 10, 0, 0, 1};
constexpr MacAddress kClientMac = {2, 0, 10, 0, 0, 9};
constexpr Ipv4Address kAddress = {10, 0, 0, 1};
constexpr Ipv4Address kClient = {10, 0, 0, 9};
constexpr std::uint16_t kQueues = 2;
constexpr unsigned kRingFrames = 64;

struct SteeringLog {
  std::vector<int> installed;
};

class FakeSteering : public QueueSteering {
 public:
  FakeSteering(SteeringLog& log, std::string refusal) : log_(log), refusal_(std::move(refusal)) {}
  std::string_view name() const override { return "fake"; }
  void prepare(const rte_eth_dev_info&, rte_eth_conf&) override { log_.installed = {-1}; }
  std::expected<void, std::string> install(std::uint16_t, std::uint16_t base_port,
                                           std::uint16_t queues) override {
    log_.installed.insert(log_.installed.end(), {base_port, queues});
    if (refusal_.empty()) return {};
    return std::unexpected(refusal_);
  }

 private:
  SteeringLog& log_;
  const std::string refusal_;
};

// A device of software rings: the test is the cable. The port is that of the last worker.
class DpdkPortTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    auto eal = Eal::start({"-m", "128"});
    ASSERT_TRUE(eal) << eal.error();
    eal_ = std::move(*eal);
  }
  static void TearDownTestSuite() { eal_.reset(); }

  void SetUp() override {
    const std::string number = std::to_string(++devices_);
    for (std::uint16_t q = 0; q < kQueues; ++q) {
      const std::string queue = number + "_" + std::to_string(q);
      rx_[q] = rte_ring_create(("rx" + queue).c_str(), kRingFrames, SOCKET_ID_ANY, 0);
      tx_[q] = rte_ring_create(("tx" + queue).c_str(), kRingFrames, SOCKET_ID_ANY, 0);
      ASSERT_TRUE(rx_[q] != nullptr && tx_[q] != nullptr);
    }
    cable_ = rte_pktmbuf_pool_create(("cable" + number).c_str(), 1023, 0, 0,
                                     RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    ASSERT_NE(cable_, nullptr);
    open("test" + number, kQueues);
  }

  void TearDown() override {
    port_.reset();
    device_.reset();
    EXPECT_EQ(rte_mempool_avail_count(cable_), 1023u) << "frames were not freed";
    rte_mempool_free(cable_);
    for (std::uint16_t q = 0; q < kQueues; ++q) {
      rte_ring_free(rx_[q]);
      rte_ring_free(tx_[q]);
    }
  }

  void open(const std::string& name, std::uint16_t workers) {
    ASSERT_GE(rte_eth_from_rings(name.c_str(), rx_, kQueues, tx_, kQueues, 0), 0);
    auto device = DpdkDevice::create({.name = "net_ring_" + name,
                                      .address = kAddress,
                                      .mac = kMac,
                                      .base_port = 7000,
                                      .queues = kQueues,
                                      .workers = workers,
                                      .kept_packets_max = 8},
                                     std::make_unique<FakeSteering>(steering_, "only a cable"));
    ASSERT_TRUE(device) << device.error();
    device_ = std::move(*device);
    port_ = std::make_unique<DpdkPort>(*device_, workers - 1, 3);
  }

  static FrameSpec spec_of(std::string payload, std::uint16_t destination_port = 7000) {
    return {.to = kMac,
            .from = kClientMac,
            .source = kClient,
            .destination = kAddress,
            .source_port = 40000,
            .destination_port = destination_port,
            .payload = std::move(payload)};
  }

  void arrive(std::uint16_t queue, const std::string& frame) {
    rte_mbuf* buffer = rte_pktmbuf_alloc(cable_);
    ASSERT_NE(buffer, nullptr);
    std::memcpy(rte_pktmbuf_append(buffer, static_cast<std::uint16_t>(frame.size())), frame.data(),
                frame.size());
    ASSERT_EQ(rte_ring_enqueue(rx_[queue], buffer), 0);
  }

  // All that was sent over this TX queue.
  std::vector<std::string> sent(std::uint16_t queue = 1) {
    std::vector<std::string> frames;
    void* buffer = nullptr;
    while (rte_ring_dequeue(tx_[queue], &buffer) == 0) {
      auto* frame = static_cast<rte_mbuf*>(buffer);
      frames.emplace_back(rte_pktmbuf_mtod(frame, const char*), frame->data_len);
      rte_pktmbuf_free(frame);
    }
    return frames;
  }

  std::vector<std::string> payloads(const std::vector<std::string>& frames) {
    const FrameSelf client{.mac = kClientMac, .address = kClient, .base_port = 40000, .ports = 1};
    std::vector<std::string> all;
    for (const std::string& frame : frames) {
      const auto view = reference_parse(frame, client);
      all.push_back(view ? std::string(view->payload) : "no datagram");
    }
    return all;
  }

  std::size_t receive(std::uint32_t quota = 32) {
    packets_.clear();
    full_ = 0;
    const RxQueueQuota quotas[] = {{QueueId{0}, quota}, {QueueId{1}, quota}};
    port_->receive(quotas, packets_, full_);
    return packets_.size();
  }

  Peer client() {
    Peer peer;
    peer.address = mapped(kClient);
    peer.port = 40000;
    peer.link = kClientMac;
    return peer;
  }

  bool reply(const std::string& text) {
    char* room = port_->room(client());
    if (room == nullptr) return false;
    std::memcpy(room, text.data(), text.size());
    port_->commit(text.size());
    return true;
  }

  static inline std::unique_ptr<Eal> eal_;
  static inline int devices_ = 0;
  rte_ring* rx_[kQueues] = {};
  rte_ring* tx_[kQueues] = {};
  rte_mempool* cable_ = nullptr;
  SteeringLog steering_;
  std::unique_ptr<DpdkDevice> device_;
  std::unique_ptr<DpdkPort> port_;
  std::vector<RxPacket> packets_;
  std::uint32_t full_ = 0;
};

TEST_F(DpdkPortTest, QueueIsThatOfThePortWhereverAFrameCame) {
  arrive(0, build(spec_of("a", 7001)));
  arrive(1, build(spec_of("b", 7000)));
  ASSERT_EQ(receive(), 2u);
  EXPECT_EQ(packets_[0].bytes, "a");
  EXPECT_EQ(packets_[0].peer.queue, QueueId{1});
  EXPECT_EQ(packets_[1].peer.queue, QueueId{0});
  EXPECT_EQ(packets_[0].peer.plane, 3);
  EXPECT_EQ(packets_[0].peer.link, kClientMac);
  EXPECT_EQ(device_->counters(1).received.get(), 2u);
}

TEST_F(DpdkPortTest, RepliesComeFromThePortThatWasAsked) {
  arrive(0, build(spec_of("ask", 7001)));
  ASSERT_EQ(receive(), 1u);
  char* room = port_->room(packets_[0].peer);
  std::memcpy(room, "room", 4);
  port_->commit(4);
  std::string part = "parts";
  const iovec parts[] = {{part.data(), 3}, {part.data() + 3, 2}};
  EXPECT_TRUE(port_->gather(packets_[0].peer, "front ", parts));
  EXPECT_THAT(sent(), SizeIs(0));
  port_->flush();
  const auto frames = sent();
  EXPECT_THAT(payloads(frames), ElementsAre("room", "front parts"));
  EXPECT_EQ(frames[0].substr(34, 2), std::string("\x1b\x59"));  // 7001
}

TEST_F(DpdkPortTest, QuotasHoldAndFullQueuesAreTold) {
  for (int i = 0; i < 10; ++i) arrive(0, build(spec_of("x")));
  EXPECT_EQ(receive(4), 4u);
  EXPECT_EQ(full_, 1u);
  EXPECT_EQ(receive(32), 6u);
  EXPECT_EQ(full_, 0u);
}

TEST_F(DpdkPortTest, QueueThatAnotherHasCountsAsEmpty) {
  arrive(0, build(spec_of("a")));
  arrive(1, build(spec_of("b")));
  ASSERT_TRUE(device_->rx_lock(QueueId{0}).try_lock());
  EXPECT_FALSE(device_->rx_lock(QueueId{0}).try_lock());
  EXPECT_EQ(receive(), 1u);
  device_->rx_lock(QueueId{0}).unlock();
  EXPECT_EQ(receive(), 1u);
}

TEST_F(DpdkPortTest, WhatIsDroppedIsCounted) {
  FrameSpec fragment = spec_of("x");
  fragment.fragment = 0x2000;
  arrive(0, build(fragment));
  arrive(0, std::string(13, 'x'));
  arrive(1, build(spec_of("x", 7002)));
  EXPECT_EQ(receive(), 0u);
  const auto& dropped = device_->counters(1).dropped;
  EXPECT_EQ(dropped[static_cast<std::size_t>(FrameDrop::kFragment)].get(), 1u);
  EXPECT_EQ(dropped[static_cast<std::size_t>(FrameDrop::kBadLength)].get(), 1u);
  EXPECT_EQ(dropped[static_cast<std::size_t>(FrameDrop::kNotOurs)].get(), 1u);
  std::map<std::string, std::uint64_t> counts;
  for (const PlaneCount& count : device_->counts()) counts[std::string(count.name)] = count.count;
  EXPECT_EQ(counts["dropped_fragment"], 1u);
  EXPECT_EQ(counts["dropped_bad_length"], 1u);
  EXPECT_EQ(counts["dropped_not_ours"], 1u);
  EXPECT_EQ(counts["dropped_bad_checksum"], 0u);
  EXPECT_EQ(counts["packets_in"], 0u);
}

TEST_F(DpdkPortTest, FramesOfSeveralSegmentsAreDropped) {
  arrive(0, build(spec_of("x")));
  void* first = nullptr;
  ASSERT_EQ(rte_ring_dequeue(rx_[0], &first), 0);
  ASSERT_EQ(rte_pktmbuf_chain(static_cast<rte_mbuf*>(first), rte_pktmbuf_alloc(cable_)), 0);
  ASSERT_EQ(rte_ring_enqueue(rx_[0], first), 0);
  EXPECT_EQ(receive(), 0u);
  EXPECT_EQ(receive(), 0u);
}

TEST_F(DpdkPortTest, ArpIsAnswered) {
  std::string request(kArpFrameBytes, '\0');
  const FrameSelf client{.mac = kClientMac, .address = kClient};
  write_arp_request(request.data(), client, kAddress);
  arrive(0, request);
  EXPECT_EQ(receive(), 0u);
  port_->flush();
  const auto frames = sent();
  ASSERT_THAT(frames, SizeIs(1));
  EXPECT_EQ(parse_arp_reply(frames[0], client, kAddress), kMac);
  EXPECT_EQ(device_->counters(1).answered.get(), 1u);
}

TEST_F(DpdkPortTest, SmallRepliesHaveRoomWhenLargeOnesHaveNone) {
  std::string payload(1000, 'x');
  const iovec parts[] = {{payload.data(), payload.size()}};
  std::size_t large = 0;
  while (port_->gather(client(), "", parts)) ASSERT_LT(++large, 1000u);
  std::size_t small = 0;
  while (reply("small")) ASSERT_LT(++small, 1000u);
  EXPECT_EQ(small, TxQueue::kReserved);
  EXPECT_EQ(device_->counters(1).no_room.get(), 1u);

  std::size_t came = 0;
  std::vector<std::string> last;
  for (int i = 0; i < 100; ++i) {
    port_->flush();
    const auto frames = payloads(sent());
    came += frames.size();
    if (!frames.empty()) last = frames;
  }
  EXPECT_EQ(came, large + small);
  EXPECT_EQ(last.back(), "small");
  EXPECT_TRUE(port_->gather(client(), "", parts));
  EXPECT_TRUE(reply("small"));
}

TEST_F(DpdkPortTest, LargeRepliesLeaveByATxQueueOfTheirOwnWhereThereIsOne) {
  port_.reset();
  device_.reset();
  open("one_worker", 1);
  std::string payload(1000, 'x');
  const iovec parts[] = {{payload.data(), payload.size()}};
  std::size_t large = 0;
  while (port_->gather(client(), "", parts)) {
    ASSERT_LT(++large, 1000u);
    port_->flush();
  }
  EXPECT_GE(large, kRingFrames - 1);
  ASSERT_TRUE(reply("small"));
  port_->flush();
  EXPECT_THAT(payloads(sent(0)), ElementsAre("small"));
  EXPECT_THAT(sent(1), SizeIs(kRingFrames - 1));
  EXPECT_TRUE(port_->gather(client(), "", parts));
}

TEST_F(DpdkPortTest, WhatNobodyTakesIsGivenUp) {
  while (reply("x")) {
  }
  port_->flush();
  std::this_thread::sleep_for(TxQueue::kPatience + millis(10));
  port_->flush();
  const TxCounters& counters = device_->counters(1).tx;
  EXPECT_EQ(counters.sent.get(), kRingFrames - 1);
  EXPECT_EQ(counters.given_up.get(), TxQueue::kPendingMax);
  EXPECT_TRUE(reply("y"));
  sent();
  port_->flush();
  EXPECT_THAT(payloads(sent()), ElementsAre("y"));
}

TEST_F(DpdkPortTest, PeersWithoutIpv4AddressAreCountedNotTriedAgain) {
  Peer peer = client();
  peer.address[0] = 0x20;
  EXPECT_EQ(port_->room(peer), nullptr);
  EXPECT_TRUE(port_->gather(peer, "x", {}));
  EXPECT_EQ(device_->counters(1).unsendable.get(), 2u);
  port_->flush();
  EXPECT_THAT(sent(), SizeIs(0));
}

TEST_F(DpdkPortTest, KeptPacketsStayAndAreBounded) {
  std::vector<KeptPacket> kept;
  for (int i = 0; i < 9; ++i) {
    arrive(0, build(spec_of("keep " + std::to_string(i))));
    ASSERT_EQ(receive(), 1u);
    KeptPacket packet = port_->keep(packets_[0]);
    EXPECT_EQ(static_cast<bool>(packet), i < 8);
    if (packet) kept.push_back(std::move(packet));
  }
  EXPECT_EQ(device_->counters(1).not_kept.get(), 1u);
  for (int i = 0; i < 8; ++i) arrive(1, build(spec_of(std::string(1000, 'y'))));
  EXPECT_EQ(receive(), 8u);
  for (std::size_t i = 0; i < kept.size(); ++i) {
    EXPECT_EQ(kept[i].bytes(), "keep " + std::to_string(i));
    EXPECT_EQ(kept[i].peer().port, 40000);
  }
  // By another thread, some before and some after the port has let go of them.
  arrive(0, build(spec_of("released at once")));
  kept.clear();
  ASSERT_EQ(receive(), 1u);
  kept.push_back(port_->keep(packets_[0]));
  std::thread([&kept] { kept.clear(); }).join();
  EXPECT_EQ(device_->kept(1).load(), 0u);
  EXPECT_EQ(packets_[0].bytes, "released at once");
  receive();
}

TEST_F(DpdkPortTest, SteeringIsToldThePortsAndMayRefuse) {
  EXPECT_THAT(steering_.installed, ElementsAre(-1, 7000, kQueues));
  EXPECT_EQ(device_->unsteered(), "only a cable");
}

TEST_F(DpdkPortTest, WrongOptionsAreRefused) {
  EXPECT_FALSE(DpdkDevice::create({.name = "no such", .base_port = 7000, .queues = 1}));
  EXPECT_FALSE(DpdkDevice::create({.base_port = 65535, .queues = 2}));
  EXPECT_FALSE(DpdkDevice::create({.base_port = 0, .queues = 1}));
  EXPECT_FALSE(DpdkDevice::create({.base_port = 7000, .queues = 0}));
  EXPECT_FALSE(DpdkDevice::create({.base_port = 7000, .queues = 2, .workers = 3}));
  EXPECT_FALSE(DpdkDevice::create({.base_port = 7000, .queues = 2, .workers = 0}));
  EXPECT_FALSE(Eal::start({}));
}

TEST(StaleSocket, OnlyOneThatNobodyListensOnIsRemoved) {
  EXPECT_TRUE(remove_stale_socket(::testing::TempDir() + "minos_no_such_socket"));
  EXPECT_FALSE(remove_stale_socket(::testing::TempDir()));
}

}  // namespace
}  // namespace minos
