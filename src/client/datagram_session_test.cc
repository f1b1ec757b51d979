#include "client/datagram_session.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "client/testing/session_world.h"

// Cases that the random test would not single out.
namespace minos::testing {
namespace {

SessionRequest request(DatagramOp op, std::string_view key, std::string_view value = {}) {
  SessionRequest out;
  out.op = op;
  out.key = key;
  out.value = value;
  return out;
}

SessionWorld world(SessionOptions options = {}, ModelOptions model = {}, Faults faults = {}) {
  return {options, model, faults};
}

TEST(DatagramSession, LearnsTokenAndQueuesWithOneNoop) {
  SessionWorld w = world();
  EXPECT_EQ(w.call(request(DatagramOp::kGet, "k")).status, ClientStatus::kNotFound);
  EXPECT_EQ(w.server.requests(), 2U);
  EXPECT_EQ(w.session.queues(), 4U);
  for (int i = 0; i < 50; ++i) {
    const std::string key = "k" + std::to_string(i);
    EXPECT_EQ(w.call(request(DatagramOp::kSet, key, "v")).status, ClientStatus::kOk);
  }
  EXPECT_EQ(w.server.requests(), 52U);
  EXPECT_EQ(w.server.wrong_queue(), 0U);
  w.server.change_secret();
  EXPECT_EQ(w.call(request(DatagramOp::kGet, "k1")).value(), "v");
  EXPECT_EQ(w.server.requests(), 54U) << "refused once, and sent again at once";
  EXPECT_EQ(w.session.counters().retries, 0U);
}

TEST(DatagramSession, AtMost64WritesSinceTheOldestUnanswered) {
  SessionWorld w = world({}, {.queues = 1});
  w.call(request(DatagramOp::kNoop, ""));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(w.session.submit(request(DatagramOp::kSet, "k" + std::to_string(i), "v"), w.now));
  }
  std::array<OutDatagram, 128> out;
  EXPECT_EQ(w.session.take_datagrams(out, w.now), 64U);
  // The second is answered, the first is not: nothing more may go.
  std::vector<InDatagram> in;
  w.direct.send(std::span(out).subspan(1, 63));
  w.direct.receive(in);
  for (const InDatagram& reply : in) w.session.receive(reply, w.now);
  EXPECT_EQ(w.session.completions().size(), 63U);
  EXPECT_EQ(w.session.take_datagrams(out, w.now), 0U);
}

TEST(DatagramSession, GivesUpAtTheDeadlineAndSaysWhatMayBe) {
  SessionWorld w = world({.timeout = millis(300)});
  w.call(request(DatagramOp::kNoop, ""));
  ASSERT_TRUE(w.session.submit(request(DatagramOp::kSet, "k", "v"), w.now));
  ASSERT_TRUE(w.session.submit(request(DatagramOp::kGet, "k"), w.now));
  const Nanos start = w.now;
  std::array<OutDatagram, 16> out;
  std::vector<Nanos> tries;
  while (w.session.outstanding() > 0) {
    if (w.session.take_datagrams(out, w.now) > 0) tries.push_back(w.now - start);
    ASSERT_NE(w.session.next_timer(), Nanos::max());
    w.now = w.session.next_timer();
    w.session.advance(w.now);
  }
  EXPECT_LT(w.now - start, millis(302));
  EXPECT_GE(tries.size(), 6U);
  EXPECT_LE(tries.size(), 16U);
  ASSERT_EQ(w.session.completions().size(), 2U);
  for (const Completion& completion : w.session.completions()) {
    EXPECT_EQ(completion.status, ClientStatus::kTimeout);
  }
  EXPECT_NE(w.session.completions()[0].maybe_executed, w.session.completions()[1].maybe_executed);
}

// A server that is 30 ms behind: whoever sends again after 10 adds to its work.
TEST(DatagramSession, NeedlessRetriesBecomeRare) {
  SessionWorld w = world({.timeout = std::chrono::seconds(10)});
  w.call(request(DatagramOp::kNoop, ""));
  std::array<OutDatagram, 16> out;
  std::vector<InDatagram> in;
  const auto retries_of_a_get = [&] {
    const std::uint64_t before = w.session.counters().retries;
    EXPECT_TRUE(w.session.submit(request(DatagramOp::kGet, "k"), w.now));
    const Nanos due = w.now + millis(30);
    for (; w.now < due; w.now += millis(1)) {
      w.direct.send(std::span(out).first(w.session.take_datagrams(out, w.now)));
      w.session.advance(w.now);
    }
    in.clear();
    w.direct.receive(in);
    for (const InDatagram& reply : in) w.session.receive(reply, w.now);
    EXPECT_EQ(w.session.outstanding(), 0U);
    return w.session.counters().retries - before;
  };
  EXPECT_GT(retries_of_a_get(), 0U);
  std::uint64_t later = 0;
  for (int i = 0; i < 50; ++i) later += retries_of_a_get();
  EXPECT_LT(later, 10U);
}

TEST(DatagramSession, BusyUntilTheEnd) {
  SessionWorld busy = world({.timeout = millis(200)}, {.busy = 1});
  const Completion done = busy.call(request(DatagramOp::kSet, "k", "v"));
  EXPECT_EQ(done.status, ClientStatus::kBusy);
  EXPECT_TRUE(done.maybe_executed) << "a copy may still be on its way";
  EXPECT_LT(busy.server.requests(), 20U);
}

TEST(DatagramSession, MultiGetOfSeveralDatagrams) {
  SessionWorld w = world({}, {}, {.seed = 3, .lost = 0.2, .duplicated = 0.2, .delayed = 0.3});
  std::string keys;
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i);
    keys += static_cast<char>(key.size());
    keys += key;
    if (i % 4 != 0) w.server.put(key, std::string(static_cast<std::size_t>(i) * 50, 'v'));
  }
  const Completion done = w.call(request(DatagramOp::kMultiGet, "", keys));
  ASSERT_EQ(done.status, ClientStatus::kOk);
  std::string_view entries = done.value();
  std::array<int, 40> seen{};
  while (const auto entry = take_entry(entries)) {
    ++seen[entry->index];
    const bool there = entry->index % 4 != 0;
    const bool fits = entry->index * 50 < 1420;
    EXPECT_EQ(entry->status, !there ? DatagramStatus::kNotFound
                             : fits ? DatagramStatus::kOk
                                    : DatagramStatus::kTooLarge);
    EXPECT_EQ(entry->value.size(), there && fits ? entry->index * 50U : 0U);
  }
  for (const int times : seen) EXPECT_EQ(times, 1);
}

TEST(DatagramSession, StatisticsOfOneSnapshot) {
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    SessionWorld w =
        world({.seed = seed}, {}, {.seed = seed, .lost = 0.1, .duplicated = 0.2, .delayed = 0.3});
    const Completion done = w.call(request(DatagramOp::kStats, "", "x"));
    ASSERT_EQ(done.status, ClientStatus::kOk);
    const std::string text(done.value());
    const std::string last = "STAT line_199 " + std::to_string(done.number) + "\n";
    EXPECT_TRUE(text.starts_with("STAT argument x\n") && text.ends_with(last)) << seed;
  }
}

TEST(DatagramSession, SmallerDatagrams) {
  SessionWorld w = world({.window_bytes = 20'000, .datagram_bytes_max = 700});
  const std::string value(100'000, 'v');
  EXPECT_EQ(w.call(request(DatagramOp::kSet, "k", value)).status, ClientStatus::kOk);
  EXPECT_EQ(w.call(request(DatagramOp::kGet, "k")).value(), value);
}

TEST(DatagramSession, AValueThatKeepsChangingIsGivenUp) {
  SessionWorld w = world({.window_bytes = 20'000});
  const std::string value(500'000, 'v');
  w.server.put("k", value);
  ASSERT_TRUE(w.session.submit(request(DatagramOp::kGet, "k"), w.now));
  Completion out;
  bool done = false;
  EXPECT_TRUE(w.run(
      [&](Completion& completion) {
        out = std::move(completion);
        done = true;
      },
      [&] {
        w.server.put("k", value);
        return done;
      }));
  EXPECT_EQ(out.status, ClientStatus::kChanged);
  EXPECT_GE(w.session.counters().restarts, 3U);
}

TEST(DatagramSession, RefusesWhatIsOutsideTheProtocol) {
  SessionWorld w = world({.requests_max = 2});
  const auto refused = [&](const SessionRequest& bad) {
    const auto taken = w.session.submit(bad, w.now);
    return taken ? ClientStatus::kOk : taken.error();
  };
  EXPECT_EQ(refused(request(DatagramOp::kGet, "")), ClientStatus::kInvalid);
  EXPECT_EQ(refused(request(DatagramOp::kGet, std::string(251, 'k'))), ClientStatus::kInvalid);
  EXPECT_EQ(refused(request(DatagramOp::kGet, "k", "v")), ClientStatus::kInvalid);
  EXPECT_EQ(refused(request(DatagramOp::kMultiGet, "", "")), ClientStatus::kInvalid);
  EXPECT_EQ(refused(request(DatagramOp::kMultiGet, "", "\x05k")), ClientStatus::kInvalid);
  EXPECT_EQ(refused(request(DatagramOp::kStats, "", std::string(1500, 's'))),
            ClientStatus::kInvalid);
  EXPECT_EQ(refused(request(DatagramOp::kGet, "a")), ClientStatus::kOk);
  EXPECT_EQ(refused(request(DatagramOp::kGet, "b")), ClientStatus::kOk);
  EXPECT_EQ(refused(request(DatagramOp::kGet, "c")), ClientStatus::kTooMany);
}

TEST(DatagramSession, TheSameSeedSendsTheSameBytes) {
  const auto run = [](std::uint64_t seed) {
    SessionWorld w = world({.seed = seed}, {}, {.seed = 5, .lost = 0.1});
    w.call(request(DatagramOp::kSet, "k", std::string(100'000, 'v')));
    w.call(request(DatagramOp::kGet, "k"));
    return w.now;
  };
  EXPECT_EQ(run(1), run(1));
  EXPECT_NE(run(1), run(2));
}

}  // namespace
}  // namespace minos::testing
