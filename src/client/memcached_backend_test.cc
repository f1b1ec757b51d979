#include "client/memcached_backend.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "client/minos_client.h"
#include "server/server.h"
#include "transport/tcp/socket.h"

// A Client over TCP against the real server, in this process.
namespace minos {
namespace {

std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

class ClientOverTcp : public ::testing::Test {
 protected:
  ClientOverTcp() {
    ServerOptions options;
    options.threads = 2;
    options.item_bytes_max = 8 * kMiB;
    auto listeners = listen_tcp("127.0.0.1", 0, 16);
    CHECK(listeners);
    url_ = "memcached://127.0.0.1:" + std::to_string(port_of(listeners->front().get()));
    options.transports = {TransportKind::kTcp};
    ServerSockets sockets;
    sockets.listeners = std::move(*listeners);
    auto server = Server::create(options, std::move(sockets));
    CHECK(server);
    server_ = std::move(*server);
    CHECK(server_->start());
    thread_ = std::thread([this] { CHECK(server_->run()); });
  }
  ~ClientOverTcp() override {
    server_->request_stop();
    thread_.join();
  }

  Client open(std::chrono::nanoseconds timeout = std::chrono::seconds(10)) {
    ClientOptions options;
    options.timeout = timeout;
    options.requests_max = 200;
    auto client = Client::open(url_, options);
    CHECK(client);
    return std::move(*client);
  }

  std::string url_;
  std::unique_ptr<Server> server_;
  std::thread thread_;
};

TEST_F(ClientOverTcp, EveryCall) {
  Client client = open();
  EXPECT_TRUE(client.ping());
  EXPECT_EQ(*client.get("k"), std::nullopt);
  EXPECT_EQ(client.replace("k", "v").error().status, ClientStatus::kNotFound);
  EXPECT_EQ(client.append("k", "v").error().status, ClientStatus::kNotFound);
  ASSERT_TRUE(client.add("k", "v", 3));
  EXPECT_EQ(client.add("k", "v").error().status, ClientStatus::kExists);
  EXPECT_EQ((*client.get("k"))->flags, 3U);
  EXPECT_TRUE(client.replace("k", "b"));
  const auto before = client.get("k");
  EXPECT_TRUE(client.append("k", "c"));
  EXPECT_TRUE(client.prepend("k", "a"));
  const auto after = client.get_and_touch("k", 100);
  EXPECT_EQ((*after)->bytes, "abc");
  EXPECT_EQ(client.compare_and_set("k", "x", (*before)->cas).error().status, ClientStatus::kExists);
  EXPECT_TRUE(client.compare_and_set("k", "7", (*after)->cas));
  EXPECT_EQ(**client.incr("k", 5), 12U);
  EXPECT_EQ(**client.decr("k", 20), 0U);
  EXPECT_EQ(*client.incr("none"), std::nullopt);
  EXPECT_TRUE(client.set("k", "word"));
  EXPECT_EQ(client.incr("k").error().status, ClientStatus::kNonNumeric);
  EXPECT_TRUE(*client.touch("k", 5));
  EXPECT_FALSE(*client.touch("none", 5));
  EXPECT_TRUE(*client.remove("k"));
  EXPECT_FALSE(*client.remove("k"));
  const auto stats = client.stats();
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->front().first, "pid");
  EXPECT_EQ(client.get("a b").error().status, ClientStatus::kInvalid);
  EXPECT_EQ(client.set("k", std::string(9 * kMiB, 'x')).error().status, ClientStatus::kTooLarge);
  EXPECT_TRUE(client.set("k", "v"));
  EXPECT_TRUE(client.flush_all());
  EXPECT_EQ(*client.get("k"), std::nullopt);
}

// More than the socket holds in both directions: writing must not wait for the server alone.
TEST_F(ClientOverTcp, RequestsArePipelined) {
  Client client = open();
  const std::string large(4 * kMiB, 'x');
  ASSERT_TRUE(client.set("large", large));
  std::vector<std::string> keys;
  int fine = 0;
  for (int i = 0; i < 1000; ++i) {
    keys.push_back(i % 50 == 0 ? "large" : "key" + std::to_string(i));
    if (keys.back() == "large") continue;
    Client::Operation set;
    set.op = Client::Op::kSet;
    set.key = keys.back();
    set.value = std::string(static_cast<std::size_t>(i * 100), 'v');
    const auto count = [&fine](const Client::Result<Client::Reply>& reply) {
      fine += reply ? 1 : 0;
    };
    while (!client.start(set, count)) client.poll(std::chrono::seconds(1));
  }
  client.wait_all();
  EXPECT_EQ(fine, 980);
  const auto values = client.get_many(keys);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_TRUE(values[i]) << i << ": " << values[i].error().message;
    ASSERT_TRUE(*values[i]) << i;
    EXPECT_EQ((*values[i])->bytes.size(), i % 50 == 0 ? large.size() : i * 100);
  }
}

TEST_F(ClientOverTcp, NoTimeoutIsTooLong) {
  Client client = open(std::chrono::nanoseconds::max());
  const auto stored = client.set("k", "v");
  EXPECT_TRUE(stored) << stored.error().message;
  const auto got = client.get("k");
  EXPECT_TRUE(got) << got.error().message;
}

TEST_F(ClientOverTcp, AServerThatIsSilentTimesOut) {
  const Fd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);
  url_ = "tcp://127.0.0.1:" + std::to_string(port_of(listener.get()));
  Client client = open(std::chrono::milliseconds(100));
  const auto stored = client.set("k", "v");
  EXPECT_EQ(stored.error().status, ClientStatus::kTimeout);
  EXPECT_TRUE(stored.error().maybe_executed);
  EXPECT_EQ(client.get("k").error().status, ClientStatus::kTimeout) << "over a new connection";
}

}  // namespace
}  // namespace minos
