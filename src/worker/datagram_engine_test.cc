#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/prng.h"
#include "worker/testing/datagram_client.h"
#include "worker/testing/fake_server.h"
#include "worker/testing/text.h"

namespace minos {
namespace {

using enum DatagramOp;
using enum DatagramStatus;
Datagram request(DatagramOp op, std::string_view key = {}, std::string_view value = {}) {
  return DatagramClient::request(op, key, value);
}

std::string text_of(std::size_t bytes, std::uint64_t seed = 1) {
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>('a' + splitmix64(seed) % 26);
  return out;
}

struct Case {
  PolicyKind policy;
  std::uint16_t workers;
  std::uint16_t queues;
};

class EveryPolicy : public testing::TestWithParam<Case> {
 protected:
  static FakeServer::Options options() {
    FakeServer::Options out;
    out.policy = GetParam().policy;
    out.workers = GetParam().workers;
    out.rx_queues = GetParam().queues;
    return out;
  }
  std::uint16_t queue(std::uint32_t i) const {
    return static_cast<std::uint16_t>(i % GetParam().queues);
  }

  FakeServer server_{options()};
  DatagramClient client_{server_};
};

INSTANTIATE_TEST_SUITE_P(
    Datagrams, EveryPolicy,
    testing::Values(Case{PolicyKind::kElastic, 1, 1}, Case{PolicyKind::kElastic, 1, 4},
                    Case{PolicyKind::kElastic, 4, 4}, Case{PolicyKind::kElastic, 3, 8},
                    Case{PolicyKind::kSizeAware, 1, 1}, Case{PolicyKind::kSizeAware, 2, 2},
                    Case{PolicyKind::kSizeAware, 8, 8}, Case{PolicyKind::kKeyHash, 1, 1},
                    Case{PolicyKind::kKeyHash, 4, 4}, Case{PolicyKind::kWorkStealing, 1, 1},
                    Case{PolicyKind::kWorkStealing, 4, 4}, Case{PolicyKind::kSoftwareHandoff, 1, 1},
                    Case{PolicyKind::kSoftwareHandoff, 2, 2},
                    Case{PolicyKind::kSoftwareHandoff, 4, 8}),
    [](const auto& tested) {
      std::string name(name_of(tested.param.policy));
      std::erase(name, '-');
      return name + std::to_string(tested.param.workers) + "x" +
             std::to_string(tested.param.queues);
    });

TEST_P(EveryPolicy, AnAddressIsProvenFirst) {
  const auto refused = client_.ask(request(kSet, "key", "value"));
  EXPECT_EQ(refused.datagram.header.status, kToken);
  EXPECT_EQ(refused.bytes.size(), kDatagramHeaderBytes);
  EXPECT_EQ(refused.datagram.header.queue, GetParam().queues);
  client_.token = refused.datagram.header.token;
  EXPECT_EQ(client_.status(request(kSet, "key", "value")), kOk);
  EXPECT_EQ(client_.get("key"), "value");

  DatagramClient other(server_, 1001);
  other.token = client_.token;  // another's
  EXPECT_EQ(other.status(request(kGet, "key")), kToken);
}

TEST_P(EveryPolicy, EveryRequestOnEveryQueue) {
  client_.learn_token();
  for (std::uint16_t q = 0; q < GetParam().queues; ++q) {
    const std::string key = "key" + std::to_string(q);
    EXPECT_EQ(client_.status(request(kGet, key), q), kNotFound);
    EXPECT_EQ(client_.status(request(kReplace, key, "x"), q), kNotFound);
    EXPECT_EQ(client_.status(request(kAppend, key, "x"), q), kNotFound);
    EXPECT_EQ(client_.status(request(kAdd, key, "12"), q), kOk);
    EXPECT_EQ(client_.status(request(kAdd, key, "13"), q), kExists);
    Datagram by = request(kIncr, key);
    by.number = 5;
    EXPECT_EQ(client_.ask(by, q).datagram.number, 17U);
    by.header.op = kDecr;
    EXPECT_EQ(client_.ask(by, q).datagram.number, 12U);
    EXPECT_EQ(client_.status(request(kAppend, key, "ab"), q), kOk);
    EXPECT_EQ(client_.status(by, q), kNonNumeric);
    EXPECT_EQ(client_.status(request(kPrepend, key, ">"), q), kOk);
    const auto got = client_.ask(request(kGet, key), q);
    EXPECT_EQ(got.datagram.payload, ">12ab");
    EXPECT_EQ(got.peer.queue, QueueId{q});

    Datagram cas = request(kCas, key, "new");
    cas.number = got.datagram.number + 1000;
    EXPECT_EQ(client_.status(cas, q), kExists);
    cas.number = got.datagram.number;
    const auto stored = client_.ask(cas, q);
    EXPECT_EQ(stored.datagram.header.status, kOk);
    EXPECT_EQ(client_.ask(request(kGet, key), q).datagram.number, stored.datagram.number);

    Datagram touch = request(kTouch, key);
    touch.expiry = 10;
    EXPECT_EQ(client_.status(touch, q), kOk);
    touch.header.op = kGat;
    touch.expiry = 100;
    EXPECT_EQ(client_.ask(touch, q).datagram.payload, "new");
    EXPECT_EQ(client_.status(request(kDelete, key), q), kOk);
    EXPECT_EQ(client_.status(request(kDelete, key), q), kNotFound);
    EXPECT_EQ(client_.status(touch, q), kNotFound);
  }
  EXPECT_EQ(client_.status(request(kSet, "gone", "x")), kOk);
  EXPECT_EQ(client_.status(request(kFlushAll)), kOk);
  EXPECT_EQ(client_.status(request(kGet, "gone")), kNotFound);
  EXPECT_EQ(server_.datagrams().kept, 0U);
}

TEST_P(EveryPolicy, ARepeatedWriteIsAnsweredAndNotExecuted) {
  client_.learn_token();
  EXPECT_EQ(client_.status(request(kSet, "n", "0")), kOk);
  Datagram add = request(kIncr, "n");
  add.number = 1;
  for (std::uint32_t id = 1000; id < 1100; ++id) {
    client_.send(add, id, queue(id));
    ASSERT_TRUE(server_.run());
    ASSERT_EQ(client_.take().size(), 1U);
    add.header.retry = true;
    for (int i = 0; i < 3; ++i) client_.send(add, id, queue(id));
    ASSERT_TRUE(server_.run());
    const auto again = client_.take();
    ASSERT_EQ(again.size(), 3U);
    EXPECT_EQ(again[2].datagram.number, id - 999);
    add.header.retry = false;
  }
  EXPECT_EQ(client_.get("n"), "100");
  EXPECT_EQ(server_.sum(Counter::kRepeatedWrites), 300U);
}

TEST_P(EveryPolicy, ValuesOfEverySizeComeBack) {
  client_.learn_token();
  const std::size_t sizes[] = {0,    1,    1300, 1432,   1433,      1500,       8191,
                               8192, 8193, 9000, 70'000, 1'000'000, 1024 * 1024};
  for (int round = 0; round < 2; ++round) {
    std::uint32_t i = 0;
    for (const std::size_t bytes : sizes) {
      const std::string key = "k" + std::to_string(bytes);
      const std::string value = text_of(bytes, bytes + 1);
      Datagram store = request(kSet, key, value);
      store.flags = static_cast<std::uint32_t>(bytes);
      auto parts = DatagramClient::fragments(store, 1400);
      if (parts.size() <= 1) parts = {store};
      const std::uint32_t id = client_.next_id();
      for (const Datagram& part : parts) client_.send(part, id, queue(i));
      ASSERT_TRUE(server_.run());
      const auto stored = client_.take();
      ASSERT_EQ(stored.size(), 1U) << bytes;
      EXPECT_EQ(stored[0].datagram.header.status, kOk) << bytes;
      const auto got = client_.get(key, queue(i + 1));
      ASSERT_TRUE(got) << bytes;
      EXPECT_TRUE(same(*got, value));
      ++i;
    }
    server_.plan_epoch();  // from now on some are large
  }
  EXPECT_EQ(server_.datagrams().kept, 0U);
  EXPECT_EQ(server_.sum(Counter::kFragmentsDropped), 0U);
}

TEST_P(EveryPolicy, FragmentsComeInAnyOrderAndTwice) {
  client_.learn_token();
  Prng random(42);
  for (int round = 0; round < 20; ++round) {
    const std::string value = text_of(1 + random.below(300'000), random.next());
    const auto fragment_bytes = static_cast<std::uint16_t>(256 + random.below(1100));
    const Datagram store = request(kSet, "key", value);
    auto parts = DatagramClient::fragments(store, fragment_bytes);
    const auto twice = parts;
    parts.insert(parts.end(), twice.begin(), twice.begin() + static_cast<long>(twice.size() / 2));
    for (std::size_t i = parts.size(); i > 1; --i) {
      std::swap(parts[i - 1], parts[random.below(i)]);
    }
    const std::uint32_t id = client_.next_id();
    for (const Datagram& part : parts) {
      client_.send(part, id, queue(static_cast<std::uint32_t>(round)));
      if (random.below(8) == 0) server_.step_all();
      if (random.below(200) == 0) server_.plan_epoch();
    }
    ASSERT_TRUE(server_.run());
    const auto replies = client_.take();
    ASSERT_FALSE(replies.empty());
    for (const auto& reply : replies) EXPECT_EQ(reply.datagram.header.status, kOk);
    const auto got = client_.get("key");
    ASSERT_TRUE(got);
    ASSERT_TRUE(same(*got, value)) << round;
  }
  EXPECT_EQ(server_.datagrams().kept, 0U);
}

TEST_P(EveryPolicy, ARetryIsToldWhatIsMissing) {
  client_.learn_token();
  const std::string value = text_of(100'000);
  const auto parts = DatagramClient::fragments(request(kSet, "key", value), 1000);
  const std::uint32_t id = client_.next_id();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i != 3 && i != 4 && i != 50) client_.send(parts[i], id);
  }
  ASSERT_TRUE(server_.run());
  EXPECT_TRUE(client_.take().empty());
  Datagram retry = parts[0];
  retry.header.retry = true;
  client_.send(retry, id);
  ASSERT_TRUE(server_.run());
  const auto missing = client_.take();
  ASSERT_EQ(missing.size(), 1U);
  EXPECT_EQ(missing[0].datagram.header.status, kMissing);
  const std::uint32_t wanted[] = {3000, 2000, 50'000, 1000};
  EXPECT_EQ(missing[0].datagram.payload,
            std::string_view(reinterpret_cast<const char*>(wanted), sizeof wanted));
  for (const std::size_t i : {4U, 50U, 3U}) client_.send(parts[i], id);
  ASSERT_TRUE(server_.run());
  EXPECT_EQ(client_.take().size(), 1U);
  EXPECT_EQ(client_.get("key"), value);
}

TEST_P(EveryPolicy, AnUnfinishedValueIsForgotten) {
  client_.learn_token();
  const std::uint64_t used = server_.store().memory().large_bytes;
  const std::string value = text_of(500'000);
  const auto parts = DatagramClient::fragments(request(kSet, "key", value), 1000);
  const std::uint32_t id = client_.next_id();
  for (std::size_t i = 1; i < parts.size(); ++i) client_.send(parts[i], id);
  ASSERT_TRUE(server_.run());
  server_.advance(kAssemblyIdleMax + millis(1));
  server_.step_all();
  EXPECT_EQ(server_.sum(Counter::kAssembliesExpired), 1U);
  EXPECT_EQ(client_.status(request(kGet, "key")), kNotFound);
  EXPECT_LE(server_.store().memory().large_bytes, used + kMiB);
  for (const Datagram& part : parts) client_.send(part, id);
  ASSERT_TRUE(server_.run());
  EXPECT_EQ(client_.take().size(), 1U);
  EXPECT_EQ(client_.get("key")->size(), 500'000U);
}

TEST_P(EveryPolicy, AValueIsReadByWindows) {
  client_.learn_token();
  const std::string value = text_of(100'000);
  const std::uint32_t id = client_.next_id();
  for (const Datagram& part : DatagramClient::fragments(request(kSet, "key", value), 1400)) {
    client_.send(part, id);
  }
  ASSERT_TRUE(server_.run());
  client_.take();
  Datagram get = request(kGet, "key");
  get.header.value_bytes = 30'000;
  get.header.fragment_bytes = 1000;
  client_.send(get, client_.next_id());
  ASSERT_TRUE(server_.run());
  auto replies = client_.take();
  ASSERT_EQ(replies.size(), 30U);
  get.number = parse_reply(replies[0].bytes)->number;
  for (get.header.offset = 30'000; get.header.offset < 100'000; get.header.offset += 30'000) {
    client_.send(get, client_.next_id(), queue(get.header.offset / 1000));
    ASSERT_TRUE(server_.run());
    for (auto& reply : client_.take()) replies.push_back(std::move(reply));
  }
  EXPECT_EQ(replies.size(), 100U);
  EXPECT_EQ(DatagramClient::value_of(replies), value);

  get.header.offset = 100'000;
  EXPECT_EQ(client_.status(get), kMalformed);
  EXPECT_EQ(client_.status(request(kSet, "key", "other")), kOk);
  get.header.offset = 30'000;
  EXPECT_EQ(client_.status(get), kChanged);
}

TEST_P(EveryPolicy, AFullWayOutStopsTheQuantumAndLosesNothing) {
  client_.learn_token();
  const std::string value = text_of(200'000);
  const std::uint32_t id = client_.next_id();
  for (const Datagram& part : DatagramClient::fragments(request(kSet, "key", value), 1400)) {
    client_.send(part, id);
  }
  ASSERT_TRUE(server_.run());
  client_.take();
  server_.datagrams().packets_per_flush = 7;
  EXPECT_EQ(client_.get("key"), value);
}

TEST_P(EveryPolicy, SeveralKeysAtOnce) {
  client_.learn_token();
  EXPECT_EQ(client_.status(request(kSet, "a", "1")), kOk);
  EXPECT_EQ(client_.status(request(kSet, "bb", text_of(1400))), kOk);
  EXPECT_EQ(client_.status(request(kSet, "c", text_of(1425))), kOk);
  client_.send(request(kMultiGet, {}, std::string_view("\1a\2bb\4none\1c\1a", 14)), 77);
  ASSERT_TRUE(server_.run());
  const auto replies = client_.take();
  ASSERT_EQ(replies.size(), 2U);
  std::vector<MultiGetEntry> entries;
  for (const auto& reply : replies) {
    const Datagram datagram = *parse_reply(reply.bytes);
    EXPECT_EQ(datagram.header.value_bytes, 5U);
    EXPECT_EQ(datagram.header.offset, entries.size());
    std::string_view rest = datagram.payload;
    while (const auto entry = take_entry(rest)) entries.push_back(*entry);
    EXPECT_TRUE(rest.empty());
  }
  ASSERT_EQ(entries.size(), 5U);
  EXPECT_EQ(entries[0].value, "1");
  EXPECT_EQ(entries[1].value, text_of(1400));
  EXPECT_EQ(entries[2].status, kNotFound);
  EXPECT_EQ(entries[3].status, kTooLarge);
  EXPECT_EQ(entries[4].index, 4U);
  EXPECT_EQ(client_.status(request(kMultiGet, {}, std::string_view("\1a\2b", 4))), kMalformed);
  EXPECT_EQ(client_.status(request(kMultiGet)), kMalformed);
}

TEST_P(EveryPolicy, Statistics) {
  client_.learn_token();
  client_.send(request(kStats), 5);
  ASSERT_TRUE(server_.run());
  const auto text = DatagramClient::value_of(client_.take());
  ASSERT_TRUE(text);
  EXPECT_NE(text->find("STAT pid 1\r\n"), std::string::npos);
  EXPECT_EQ(client_.status(request(kStats, {}, "nonsense")), kMalformed);
}

TEST_P(EveryPolicy, GarbageIsCountedAndNeverAmplified) {
  Prng random(7);
  DatagramClient honest(server_, 2000);
  honest.learn_token();
  std::uint64_t sent = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string bytes(random.below(100), '\0');
    for (char& c : bytes) c = static_cast<char>(random.below(256));
    if (random.below(4) != 0 && bytes.size() >= 3) {
      bytes[0] = kDatagramMagic;
      bytes[1] = static_cast<char>(random.below(8) == 0 ? 2 : 1);
      bytes[2] = static_cast<char>(random.below(20));
    }
    sent += bytes.size();
    client_.send_raw(bytes, queue(static_cast<std::uint32_t>(i)));
  }
  ASSERT_TRUE(server_.run());
  std::uint64_t received = 0;
  for (const auto& reply : client_.take()) received += reply.bytes.size();
  EXPECT_LE(received, sent);
  EXPECT_GT(server_.sum(Counter::kDatagramsForeign), 0U);
  EXPECT_GT(server_.sum(Counter::kDatagramsMalformed), 0U);
  EXPECT_GT(server_.sum(Counter::kDatagramsOtherVersion), 0U);
  EXPECT_EQ(honest.status(request(kSet, "key", "value")), kOk);
  EXPECT_EQ(server_.store().stats().items, 1U);
}

TEST_P(EveryPolicy, TooLargeIsRefusedAndTheOldValueGoes) {
  client_.learn_token();
  EXPECT_EQ(client_.status(request(kSet, "key", "old")), kOk);
  const std::string value = text_of(kMiB + 1);
  const auto parts = DatagramClient::fragments(request(kSet, "key", value), 1400);
  client_.send(parts[0], 900);
  ASSERT_TRUE(server_.run());
  const auto replies = client_.take();
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].datagram.header.status, kTooLarge);
  EXPECT_EQ(client_.status(request(kGet, "key")), kNotFound);
}

TEST_P(EveryPolicy, EqualRunsHaveEqualDigests) {
  std::uint64_t digests[2];
  for (std::uint64_t& digest : digests) {
    FakeServer server(options());
    DatagramClient client(server);
    client.learn_token();
    Prng random(5);
    for (int i = 0; i < 300; ++i) {
      const std::string key = "k" + std::to_string(random.below(20));
      const std::string value = text_of(1 + random.below(40'000), random.next());
      const auto q = queue(static_cast<std::uint32_t>(random.below(100)));
      const std::uint32_t id = client.next_id();
      for (const auto& part : DatagramClient::fragments(request(kSet, key, value), 1300)) {
        client.send(part, id, q);
      }
      client.send(request(kGet, key), client.next_id(), q);
      if (i % 50 == 0) server.plan_epoch();
      if (i % 3 == 0) server.step_all();
    }
    ASSERT_TRUE(server.run());
    digest = server.digest();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

}  // namespace
}  // namespace minos
