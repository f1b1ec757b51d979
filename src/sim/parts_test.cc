// What the simulator is made of.

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "sim/bounded_fifo.h"
#include "sim/cost_book.h"
#include "sim/event_queue.h"
#include "sim/recorder.h"
#include "sim/request_table.h"
#include "sim/sim_link.h"
#include "sim/workload.h"

namespace minos {
namespace {

TEST(EventQueue, OrdersByTimeThenByTurn) {
  EventQueue events;
  events.push(20, EventQueue::Kind::kCore, 1);
  events.push(10, EventQueue::Kind::kCore, 2);
  events.push(10, EventQueue::Kind::kCore, 3);
  events.push(5, EventQueue::Kind::kEpoch);
  EXPECT_EQ(events.work(), 3U);
  std::vector<int> cores;
  while (!events.empty()) cores.push_back(events.pop().core);
  EXPECT_EQ(cores, (std::vector<int>{0, 2, 3, 1}));
}

TEST(RequestTable, GivesNoNumberAgainSoon) {
  RequestTable table;
  std::set<std::uint32_t> seen;
  for (int i = 0; i < 200'000; ++i) {
    SimRequest* const request = table.add();
    ASSERT_NE(request, nullptr);
    EXPECT_TRUE(seen.insert(request->id).second);
    EXPECT_EQ(table.find(request->id), request);
    const std::uint32_t id = request->id;
    table.remove(*request);
    EXPECT_EQ(table.find(id), nullptr);
  }
  EXPECT_EQ(table.size(), 0U);
}

TEST(RequestTable, IsBounded) {
  RequestTable table;
  std::size_t added = 0;
  while (table.add() != nullptr) ++added;
  EXPECT_EQ(added, std::size_t{1} << RequestTable::kSlotBits);
}

TEST(BoundedFifo, KeepsOrderWhileItGrows) {
  BoundedFifo<int> fifo(300);
  int in = 0;
  int out = 0;
  for (; in < 40; ++in) EXPECT_TRUE(fifo.push(in));
  for (; out < 30; ++out) {
    EXPECT_EQ(fifo.front(), out);
    fifo.pop();
  }
  for (; in < 330; ++in) EXPECT_TRUE(fifo.push(in));
  EXPECT_FALSE(fifo.push(in));
  for (; out < 330; ++out) {
    EXPECT_EQ(fifo.front(), out);
    fifo.pop();
  }
  EXPECT_TRUE(fifo.empty());
}

// Bytes of a datagram whose frame has 125: at 1 Gb/s a microsecond.
constexpr std::uint16_t kBytes125 = 59;

TEST(TxLink, QueuesTakeTurns) {
  std::vector<std::pair<std::uint32_t, Picos>> sent;
  TxLink link(2, 64, WireSpeed(1), [&](const TxLink::Packet& packet, Picos at) {
    sent.push_back({packet.request_id, at});
  });
  link.push(0, {0, 1, kBytes125, 0});
  link.push(0, {0, 2, kBytes125, 0});
  link.push(0, {0, 3, kBytes125, 0});
  link.push(1, {500'000, 4, kBytes125, 0});
  link.advance(1);
  EXPECT_EQ(sent.size(), 1U);  // a packet that is ready before the next one begins may still come
  link.advance(kNever);
  EXPECT_EQ(sent, (std::vector<std::pair<std::uint32_t, Picos>>{
                      {1, 1'000'000}, {4, 2'000'000}, {2, 3'000'000}, {3, 4'000'000}}));
  EXPECT_EQ(link.busy(), 4'000'000);
}

TEST(TxLink, KeepsRoomForSmallReplies) {
  TxLink link(1, 64, WireSpeed(1), [](const TxLink::Packet&, Picos) {});
  for (int i = 0; i < 48; ++i) {
    EXPECT_TRUE(link.has_room(0, true));
    link.push(0, {0, 1, kBytes125, 0});
  }
  EXPECT_FALSE(link.has_room(0, true));
  EXPECT_TRUE(link.has_room(0, false));
}

TEST(LatencyHistogram, InterpolatesWithinABucket) {
  LatencyHistogram histogram;
  for (std::uint64_t i = 1; i <= 100'000; ++i) histogram.record(i * 10);
  EXPECT_NEAR(histogram.quantile_us(0.5), 500, 0.2);
  EXPECT_NEAR(histogram.quantile_us(0.99), 990, 0.4);
  EXPECT_NEAR(histogram.quantile_us(0.999), 999, 0.4);
  EXPECT_EQ(LatencyHistogram().quantile_us(0.5), 0);
}

// What is charged in the course of a request is what it was said to cost.
TEST(CostBook, ChargesTheServiceTime) {
  for (const char* const profile : {"dpdk", "tcp", "ideal"}) {
    const CostBook costs(*cost_model_named(profile), 1);
    for (const std::uint32_t bytes : {1U, 1400U, 3000U, 500'000U}) {
      SimRequest get;
      get.value_bytes = bytes;
      get.service = costs.mean_service(bytes, false);
      CoreClock clock;
      costs.receive(clock, &get);
      costs.look_up(clock, get);
      constexpr std::uint32_t kEach = 1432;
      if (bytes <= kEach) {
        costs.reply(clock, get, true);
      } else {
        for (std::uint32_t at = 0; at < bytes; at += kEach) {
          const std::uint32_t part = std::min(bytes - at, kEach);
          costs.reply_fragment(clock, get, part, at + part);
        }
      }
      EXPECT_NEAR(micros_of(clock.now), micros_of(get.service), 1e-3) << profile << ' ' << bytes;
    }
  }
}

TEST(CostBook, SmallGetAndLargePacketCostWhatTheProfileSays) {
  const CostBook costs(*cost_model_named("dpdk"), 1);
  EXPECT_NEAR(micros_of(costs.mean_service(400, false)), 0.479, 0.005);
  const double large = micros_of(costs.mean_service(1'000 * 1432, false));
  EXPECT_NEAR(large / 1000, 0.453, 0.005);
}

TEST(SimWorkload, SharesOfKeysAddUp) {
  SimOptions options;
  options.keys = 1000;
  options.large_keys = 10;
  options.large_percent = 5;
  double all = 0;
  double large_share = 0;
  SimWorkload(options).for_each_key(
      [&](std::uint32_t, std::uint32_t bytes, bool large, double share) {
        all += share;
        if (large) large_share += share;
        EXPECT_EQ(large, bytes >= 1500);
      });
  EXPECT_NEAR(all, 1, 1e-9);
  EXPECT_NEAR(large_share, 0.05, 1e-9);
}

// What is said of keys is what is drawn.
TEST(SimWorkload, DrawsKeysByTheirShares) {
  SimOptions options;
  options.keys = 50;
  options.large_keys = 5;
  options.large_percent = 20;
  SimWorkload workload(options);
  std::vector<double> expected(55);
  workload.for_each_key(
      [&](std::uint32_t key, std::uint32_t, bool, double share) { expected[key] = share; });
  std::vector<double> drawn(55);
  constexpr int kDraws = 200'000;
  for (int i = 0; i < kDraws; ++i) drawn[workload.next().key] += 1.0 / kDraws;
  for (std::size_t i = 0; i < drawn.size(); ++i) EXPECT_NEAR(drawn[i], expected[i], 0.005) << i;
}

}  // namespace
}  // namespace minos
