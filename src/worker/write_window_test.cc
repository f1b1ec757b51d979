#include "worker/write_window.h"

#include <gtest/gtest.h>

#include "store/kv_store.h"

namespace minos {
namespace {

using Kind = WriteWindow::Entry::Kind;

std::unique_ptr<KvStore> make_store() {
  StoreOptions options;
  options.evict = false;
  return *KvStore::create(options);
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
    const auto first = window.begin(peer(1), id, CoreId{2}, Nanos(0));
    ASSERT_EQ(first.kind, Kind::kNew) << id;
    const auto again = window.begin(peer(1), id, CoreId{3}, Nanos(0));
    EXPECT_EQ(again.kind, Kind::kRunning);
    EXPECT_EQ(again.owner, CoreId{2});
    const WriteOutcome outcome{DatagramStatus::kOk, 100 + id};
    window.finish(again.ticket, outcome);
    const auto done = window.begin(peer(1), id, CoreId{3}, Nanos(0));
    EXPECT_EQ(done.kind, Kind::kDone);
    EXPECT_EQ(done.outcome, outcome);
    EXPECT_EQ(window.begin(peer(2), id, CoreId{2}, Nanos(0)).kind, Kind::kNew);
  }
}

TEST(WriteWindow, ForgetsWhatWasNotExecuted) {
  const auto store = make_store();
  WriteWindow window(*store);
  const auto first = window.begin(peer(1), 5, CoreId{0}, Nanos(0));
  window.forget(first.ticket);
  window.finish(first.ticket, {DatagramStatus::kExists, 0});  // too late
  EXPECT_EQ(window.begin(peer(1), 5, CoreId{0}, Nanos(0)).kind, Kind::kNew);
}

constexpr auto kSlots = static_cast<std::uint32_t>(kWriteWindowSlots);

TEST(WriteWindow, RemembersTheLastWritesOfAClient) {
  const auto store = make_store();
  WriteWindow window(*store);
  for (std::uint32_t id = 1; id <= 1000; ++id) {
    const auto entry = window.begin(peer(1), id, CoreId{0}, Nanos(0));
    ASSERT_EQ(entry.kind, Kind::kNew);
    window.finish(entry.ticket, {DatagramStatus::kOk, id});
    const std::uint32_t oldest = id < kSlots ? 1 : id - kSlots + 1;
    const auto repeat = window.begin(peer(1), oldest, CoreId{0}, Nanos(0));
    ASSERT_EQ(repeat.kind, Kind::kDone) << id;
    EXPECT_EQ(repeat.outcome.number, oldest);
  }
  EXPECT_EQ(window.begin(peer(1), 1, CoreId{0}, Nanos(0)).kind, Kind::kNew);
}

TEST(WriteWindow, IsBoundedAndLetsTheSilentGo) {
  const auto store = make_store();
  WriteWindow window(*store);
  const std::uint64_t before = store->memory().buffer_bytes;
  std::uint16_t clients = 0;
  while (window.begin(peer(clients), 1, CoreId{0}, millis(clients)).kind == Kind::kNew) ++clients;
  EXPECT_EQ(clients, kWriteClientsMax);
  EXPECT_EQ(window.clients(), clients);
  EXPECT_GT(store->memory().buffer_bytes, before + clients * kWriteWindowSlots * sizeof(int));
  // Client 0 has just been heard of: client 1 is the first to go.
  EXPECT_EQ(window.begin(peer(0), 1, CoreId{0}, kWriteMemory).kind, Kind::kRunning);
  EXPECT_EQ(window.begin(peer(60000), 1, CoreId{0}, kWriteMemory).kind, Kind::kFull);
  EXPECT_EQ(window.begin(peer(60000), 1, CoreId{0}, kWriteMemory + millis(1)).kind, Kind::kNew);
  EXPECT_EQ(window.begin(peer(60001), 1, CoreId{0}, kWriteMemory + millis(1)).kind, Kind::kFull);
  EXPECT_EQ(window.begin(peer(60000), 1, CoreId{0}, kWriteMemory + millis(1)).kind, Kind::kRunning);
  EXPECT_EQ(window.begin(peer(0), 1, CoreId{0}, kWriteMemory + millis(1)).kind, Kind::kRunning);
}

TEST(WriteWindow, GivesItsMemoryBack) {
  const auto store = make_store();
  const std::uint64_t before = store->memory().buffer_bytes;
  {
    WriteWindow window(*store);
    window.begin(peer(1), 1, CoreId{0}, Nanos(0));
    EXPECT_GT(store->memory().buffer_bytes, before);
  }
  EXPECT_EQ(store->memory().buffer_bytes, before);
}

}  // namespace
}  // namespace minos
