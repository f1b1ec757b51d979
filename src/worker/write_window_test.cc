#include "worker/write_window.h"

#include <gtest/gtest.h>

#include "store/kv_store.h"

namespace minos {
namespace {

using Kind = WriteWindow::Entry::Kind;

std::unique_ptr<KvStore> make_store() {
  StoreOptions options;
  options.memory_bytes = 256 * kMiB;
  options.evict = false;
  return *KvStore::create(options);
}

constexpr std::uint32_t kSession = 77;

WriteId number(std::uint32_t number, std::uint32_t session = kSession) {
  return {session, number};
}

Peer peer(std::uint16_t port) {
  Peer out;
  out.port = port;
  return out;
}

TEST(WriteWindow, AnswersARepeat) {
  const auto store = make_store();
  WriteWindow window(*store);
  for (std::uint32_t id : {0U, 1U, 7U}) {
    const auto first = window.begin(peer(1), number(id), CoreId{2}, Nanos(0));
    ASSERT_EQ(first.kind, Kind::kNew) << id;
    const auto again = window.begin(peer(1), number(id), CoreId{3}, Nanos(0));
    EXPECT_EQ(again.kind, Kind::kRunning);
    EXPECT_EQ(again.owner, CoreId{2});
    const WriteOutcome outcome{DatagramStatus::kOk, 100 + id};
    window.finish(again.ticket, outcome);
    const auto done = window.begin(peer(1), number(id), CoreId{3}, Nanos(0));
    EXPECT_EQ(done.kind, Kind::kDone);
    EXPECT_EQ(done.outcome, outcome);
    EXPECT_EQ(window.begin(peer(2), number(id), CoreId{2}, Nanos(0)).kind, Kind::kNew);
  }
}

TEST(WriteWindow, ForgetsWhatWasNotExecuted) {
  const auto store = make_store();
  WriteWindow window(*store);
  const auto first = window.begin(peer(1), number(5), CoreId{0}, Nanos(0));
  window.forget(first.ticket);
  window.finish(first.ticket, {DatagramStatus::kExists, 0});  // too late
  EXPECT_EQ(window.begin(peer(1), number(5), CoreId{0}, Nanos(0)).kind, Kind::kNew);
}

// Through the point where numbers go round.
TEST(WriteWindow, RemembersTheWindowAndRefusesWhatIsOlder) {
  const auto store = make_store();
  WriteWindow window(*store);
  const std::uint32_t start = 0U - 500;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const auto entry = window.begin(peer(1), number(start + i), CoreId{0}, Nanos(0));
    ASSERT_EQ(entry.kind, Kind::kNew);
    window.finish(entry.ticket, {DatagramStatus::kOk, i});
    const std::uint32_t oldest = i < kWriteWindow ? 0 : i - kWriteWindow + 1;
    const auto repeat = window.begin(peer(1), number(start + oldest), CoreId{0}, Nanos(0));
    ASSERT_EQ(repeat.kind, Kind::kDone) << i;
    EXPECT_EQ(repeat.outcome.number, oldest);
    if (oldest == 0) continue;
    const auto late = window.begin(peer(1), number(start + oldest - 1), CoreId{0}, Nanos(0));
    ASSERT_EQ(late.kind, Kind::kStale) << i;
  }
  EXPECT_EQ(window.begin(peer(1), number(start), CoreId{0}, Nanos(0)).kind, Kind::kStale);
}

TEST(WriteWindow, TakesTheWindowInAnyOrder) {
  const auto store = make_store();
  WriteWindow window(*store);
  const std::uint32_t newest = 1000 + kWriteWindow - 1;
  EXPECT_EQ(window.begin(peer(1), number(newest), CoreId{0}, Nanos(0)).kind, Kind::kNew);
  for (std::uint32_t i = newest - 1; i >= 1000; --i) {
    EXPECT_EQ(window.begin(peer(1), number(i), CoreId{0}, Nanos(0)).kind, Kind::kNew) << i;
  }
  EXPECT_EQ(window.begin(peer(1), number(999), CoreId{0}, Nanos(0)).kind, Kind::kStale);
}

TEST(WriteWindow, KnowsWhoHasTheAddressNow) {
  const auto store = make_store();
  WriteWindow window(*store);
  const auto before = window.begin(peer(1), number(5), CoreId{0}, Nanos(0));
  EXPECT_EQ(window.begin(peer(1), number(5, 78), CoreId{1}, Nanos(0)).kind, Kind::kNew);
  window.finish(before.ticket, {DatagramStatus::kOk, 1});
  EXPECT_EQ(window.begin(peer(1), number(5, 78), CoreId{1}, Nanos(0)).kind, Kind::kRunning);
  EXPECT_EQ(window.begin(peer(1), number(6), CoreId{0}, Nanos(0)).kind, Kind::kStale);
}

TEST(WriteWindow, IsBoundedAndLetsTheSilentGo) {
  const auto store = make_store();
  WriteWindow window(*store);
  const std::uint64_t before = store->memory().buffer_bytes;
  std::uint16_t clients = 0;
  const auto is_new = [&](std::uint16_t port, Nanos now) {
    return window.begin(peer(port), number(1), CoreId{0}, now).kind == Kind::kNew;
  };
  while (is_new(clients, Nanos(clients))) ++clients;
  EXPECT_EQ(clients, kWriteClientsMax);
  EXPECT_EQ(window.clients(), clients);
  EXPECT_GT(store->memory().buffer_bytes, before + clients * kWriteWindow * sizeof(int));
  // Client 0 has just been heard of: client 1 is the first to go.
  EXPECT_EQ(window.begin(peer(0), number(1), CoreId{0}, kWriteMemory).kind, Kind::kRunning);
  EXPECT_EQ(window.begin(peer(60000), number(1), CoreId{0}, kWriteMemory).kind, Kind::kFull);
  EXPECT_EQ(window.begin(peer(60000), number(1), CoreId{0}, kWriteMemory + Nanos(1)).kind,
            Kind::kNew);
  EXPECT_EQ(window.begin(peer(60001), number(1), CoreId{0}, kWriteMemory + Nanos(1)).kind,
            Kind::kFull);
  EXPECT_EQ(window.begin(peer(60000), number(1), CoreId{0}, kWriteMemory + Nanos(1)).kind,
            Kind::kRunning);
  EXPECT_EQ(window.begin(peer(0), number(1), CoreId{0}, kWriteMemory + Nanos(1)).kind,
            Kind::kRunning);
}

TEST(WriteWindow, GivesItsMemoryBack) {
  const auto store = make_store();
  const std::uint64_t before = store->memory().buffer_bytes;
  {
    WriteWindow window(*store);
    window.begin(peer(1), number(1), CoreId{0}, Nanos(0));
    EXPECT_GT(store->memory().buffer_bytes, before);
  }
  EXPECT_EQ(store->memory().buffer_bytes, before);
}

}  // namespace
}  // namespace minos
