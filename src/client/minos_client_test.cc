#include "client/minos_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/prng.h"
#include "client/testing/udp_model_server.h"
#include "transport/fd.h"

// A Client over real UDP on loopback, against the model server.
namespace minos {
namespace {

using ::testing::HasSubstr;
using testing::ModelOptions;
using testing::UdpModelServer;

std::string random_bytes(std::size_t bytes) {
  std::string out(bytes, '\0');
  std::uint64_t state = bytes;
  for (char& c : out) c = static_cast<char>(splitmix64(state));
  return out;
}

class ClientOverUdp : public ::testing::TestWithParam<bool> {
 protected:
  ClientOptions options() const {
    ClientOptions out;
    out.single_port = GetParam();
    out.timeout = std::chrono::seconds(10);  // the machine may be busy
    return out;
  }
  Client open() {
    auto client = Client::open("udp://127.0.0.1:" + std::to_string(server_.port()), options());
    EXPECT_TRUE(client) << client.error().message;
    return std::move(*client);
  }

  UdpModelServer server_{ModelOptions{}, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Ports, ClientOverUdp, ::testing::Bool(),
                         [](const auto& p) { return p.param ? "Single" : "OneForEachQueue"; });

TEST_P(ClientOverUdp, ValuesOfAllSizesComeBack) {
  Client client = open();
  for (const std::size_t bytes :
       {0UL, 1UL, 1000UL, 1400UL, 1432UL, 1433UL, 1472UL, 5000UL, 65536UL, 300000UL, 4194304UL}) {
    const std::string key = "key" + std::to_string(bytes);
    const std::string value = random_bytes(bytes);
    const auto stored = client.set(key, value, 7);
    ASSERT_TRUE(stored) << bytes << ": " << stored.error().message;
    const auto got = client.get(key);
    ASSERT_TRUE(got) << bytes << ": " << got.error().message;
    ASSERT_TRUE(*got);
    EXPECT_TRUE((*got)->bytes == value) << bytes;
    EXPECT_EQ((*got)->flags, 7U);
    EXPECT_EQ((*got)->cas, *stored);
    const auto touched = client.get_and_touch(key, 100);
    ASSERT_TRUE(touched) << bytes << ": " << touched.error().message;
    EXPECT_TRUE(*touched && (*touched)->bytes == value) << bytes;
  }
}

TEST_P(ClientOverUdp, EveryCall) {
  Client client = open();
  EXPECT_TRUE(client.ping());
  EXPECT_EQ(*client.get("k"), std::nullopt);
  EXPECT_EQ(client.replace("k", "v").error().status, ClientStatus::kNotFound);
  ASSERT_TRUE(client.add("k", "v", 3));
  EXPECT_EQ(client.add("k", "v").error().status, ClientStatus::kExists);
  const auto cas = client.replace("k", "b");
  ASSERT_TRUE(cas);
  EXPECT_TRUE(client.append("k", "c"));
  EXPECT_TRUE(client.prepend("k", "a"));
  EXPECT_EQ((*client.get("k"))->bytes, "abc");
  const auto late = client.compare_and_set("k", "x", *cas);
  EXPECT_EQ(late.error().status, ClientStatus::kExists);
  EXPECT_TRUE(client.compare_and_set("k", "7", (*client.get("k"))->cas));
  EXPECT_EQ(**client.incr("k", 5), 12U);
  EXPECT_EQ(**client.decr("k", 20), 0U);
  EXPECT_EQ(*client.incr("none"), std::nullopt);
  EXPECT_TRUE(client.set("k", "word"));
  EXPECT_EQ(client.incr("k").error().status, ClientStatus::kNonNumeric);
  EXPECT_TRUE(*client.touch("k", 5));
  EXPECT_FALSE(*client.touch("none", 5));
  EXPECT_TRUE(*client.remove("k"));
  EXPECT_FALSE(*client.remove("k"));
  const auto stats = client.stats("settings");
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->size(), 201U);
  EXPECT_EQ(stats->front().second, "settings");
  EXPECT_TRUE(client.set("k", "v"));
  EXPECT_TRUE(client.flush_all());
  EXPECT_EQ(*client.get("k"), std::nullopt);
  EXPECT_EQ(client.get("").error().status, ClientStatus::kInvalid);
  EXPECT_EQ(client.get("").error().message, "the key is empty");
  const auto long_key = client.set(std::string(251, 'k'), "");
  EXPECT_EQ(long_key.error().status, ClientStatus::kInvalid);
  EXPECT_EQ(long_key.error().message, "the key has 251 bytes, at most 250 are allowed");
  const auto long_argument = client.stats(std::string(2000, 's'));
  EXPECT_EQ(long_argument.error().message, status_text(ClientStatus::kInvalid));
}

TEST_P(ClientOverUdp, ManyAtOnce) {
  Client client = open();
  std::vector<std::string> keys;
  for (int i = 0; i < 3000; ++i) {
    keys.push_back("key" + std::to_string(i));
    if (i % 3 == 0) continue;
    Client::Operation set;
    set.op = Client::Op::kSet;
    set.key = keys.back();
    set.value = random_bytes(i % 100 == 1 ? 5000 : static_cast<std::size_t>(i % 500));
    auto started = client.start(set, [&](Client::Result<Client::Reply> reply) {
      EXPECT_TRUE(reply) << reply.error().message;
      EXPECT_FALSE(client.get("k")) << "a callback must not wait";
    });
    while (!started) {
      ASSERT_EQ(started.error().status, ClientStatus::kTooMany);
      client.poll(std::chrono::seconds(1));
      started = client.start(set, nullptr);
    }
  }
  client.wait_all();
  EXPECT_EQ(client.outstanding(), 0U);
  keys.push_back("");
  const auto values = client.get_many(keys);
  ASSERT_EQ(values.size(), keys.size());
  for (std::size_t i = 0; i < 3000; ++i) {
    ASSERT_TRUE(values[i]) << i << ": " << values[i].error().message;
    ASSERT_EQ(values[i]->has_value(), i % 3 != 0) << i;
    if (i % 3 == 0) continue;
    EXPECT_EQ((*values[i])->bytes, random_bytes(i % 100 == 1 ? 5000 : i % 500));
  }
  EXPECT_EQ(values.back().error().status, ClientStatus::kInvalid);
}

TEST_P(ClientOverUdp, NoTimeoutIsTooLong) {
  ClientOptions patient = options();
  patient.timeout = std::chrono::nanoseconds::max();
  auto client = Client::open("udp://127.0.0.1:" + std::to_string(server_.port()), patient);
  ASSERT_TRUE(client) << client.error().message;
  const auto stored = client->set("k", random_bytes(5000));
  EXPECT_TRUE(stored) << stored.error().message;
  const auto got = client->get("k");
  EXPECT_TRUE(got) << got.error().message;
}

TEST(ClientWithoutServer, TimesOut) {
  ClientOptions options;
  options.timeout = std::chrono::milliseconds(100);
  // Discard, which nothing serves.
  auto client = Client::open("udp://127.0.0.1:9", options);
  ASSERT_TRUE(client);
  const auto got = client->get("k");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().status, ClientStatus::kTimeout);
  const auto stored = client->set("k", "v");
  EXPECT_EQ(stored.error().status, ClientStatus::kTimeout);
  EXPECT_FALSE(stored.error().maybe_executed) << "it never got a token, so it was never sent";
}

TEST(ClientUrl, WithoutAPortItIsThatOfMinosd) {
  // Loopback addresses that nobody else uses.
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(11300);
  at.sin_addr.s_addr = htonl(0x7f4d0001);
  const Fd udp(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::bind(udp.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    GTEST_SKIP() << "a server has this port at every address";
  }
  ClientOptions options;
  options.timeout = std::chrono::milliseconds(50);
  auto client = Client::open("udp://127.77.0.1", options);
  ASSERT_TRUE(client);
  EXPECT_EQ(client->ping().error().status, ClientStatus::kTimeout);
  char byte = 0;
  EXPECT_EQ(::recv(udp.get(), &byte, 1, 0), 1) << "nothing came to port 11300";
  const auto tcp = Client::open("tcp://127.77.0.2");
  if (!tcp) {
    EXPECT_THAT(tcp.error().message, HasSubstr("127.77.0.2:11211"));
  }
}

TEST(ClientUrl, SaysWhatIsWrong) {
  EXPECT_THAT(Client::open("127.0.0.1:11211").error().message, HasSubstr("udp://"));
  EXPECT_THAT(Client::open("udp://:1").error().message, HasSubstr("names no host"));
  EXPECT_THAT(Client::open("udp://a:b").error().message, HasSubstr("port of 1 to 65535"));
  EXPECT_THAT(Client::open("tcp://127.0.0.1:9").error().message, HasSubstr("cannot connect"));
  ClientOptions options;
  options.requests_max = 0;
  EXPECT_EQ(Client::open("udp://localhost", options).error().status, ClientStatus::kInvalid);
}

}  // namespace
}  // namespace minos
