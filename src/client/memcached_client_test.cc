#include "client/memcached_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace minos {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

// The server's end of a socket pair: answers everything with one prepared text, in small pieces,
// and shows what it was asked.
class ScriptedServer {
 public:
  explicit ScriptedServer(std::string reply, std::size_t request_bytes) {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, fds_), 0);
    thread_ = std::thread([this, reply = std::move(reply), request_bytes] {
      char byte = 0;
      while (asked_.size() < request_bytes && ::read(fds_[1], &byte, 1) == 1) asked_ += byte;
      for (const char c : reply) ASSERT_EQ(::write(fds_[1], &c, 1), 1);
      ::shutdown(fds_[1], SHUT_WR);
    });
  }

  ~ScriptedServer() {
    if (thread_.joinable()) thread_.join();
    ::close(fds_[1]);
  }

  MemcachedClient client() { return MemcachedClient(fds_[0], millis(2000)); }
  std::string asked() {
    thread_.join();
    return asked_;
  }

 private:
  int fds_[2] = {-1, -1};
  std::string asked_;
  std::thread thread_;
};

TEST(MemcachedClient, GetsAValueWithLineEndsInside) {
  ScriptedServer server("VALUE key 7 5\r\na\r\nEND\r\nEND\r\n", 9);
  auto value = server.client().get("key");
  EXPECT_FALSE(value) << "the announced size is too small";
  ScriptedServer exact("VALUE key 7 8\r\na\r\nEND\r\n\r\nEND\r\n", 9);
  value = exact.client().get("key");
  ASSERT_TRUE(value) << value.error();
  ASSERT_TRUE(*value);
  EXPECT_EQ((*value)->bytes, "a\r\nEND\r\n");
  EXPECT_EQ((*value)->flags, 7U);
}

TEST(MemcachedClient, TellsAMissFromAnError) {
  ScriptedServer miss("END\r\n", 9);
  const auto nothing = miss.client().get("key");
  ASSERT_TRUE(nothing);
  EXPECT_FALSE(*nothing);
  ScriptedServer error("SERVER_ERROR busy\r\n", 9);
  EXPECT_THAT(error.client().get("key").error(), HasSubstr("SERVER_ERROR busy"));
  ScriptedServer gone("", 9);
  EXPECT_EQ(gone.client().get("key").error(), "the server closed the connection");
}

TEST(MemcachedClient, SendsASetWhole) {
  const std::string wanted = "set k 5 60 3\r\na b\r\n";
  ScriptedServer server("STORED\r\n", wanted.size());
  EXPECT_TRUE(server.client().set("k", "a b", 5, 60));
  EXPECT_EQ(server.asked(), wanted);
  const std::string empty = "set k 0 0 0\r\n\r\n";
  ScriptedServer again("STORED\r\n", empty.size());
  EXPECT_TRUE(again.client().set("k", ""));
  EXPECT_EQ(again.asked(), empty);
}

TEST(MemcachedClient, RefusesKeysThatWouldBreakTheStream) {
  ScriptedServer server("", 0);
  auto client = server.client();
  EXPECT_FALSE(client.get("a b"));
  EXPECT_FALSE(client.set("a\r\nflush_all", "x"));
  EXPECT_FALSE(client.remove(""));
  EXPECT_FALSE(client.get(std::string(251, 'k')));
}

TEST(MemcachedClient, RemovesAndReadsStatistics) {
  ScriptedServer removed("DELETED\r\n", 10);
  EXPECT_TRUE(*removed.client().remove("k"));
  ScriptedServer absent("NOT_FOUND\r\n", 10);
  EXPECT_FALSE(*absent.client().remove("k"));
  ScriptedServer stats("STAT pid 12\r\nSTAT name two words\r\nEND\r\n", 7);
  EXPECT_THAT(*stats.client().stats(), ElementsAre(Pair("pid", "12"), Pair("name", "two words")));
}

}  // namespace
}  // namespace minos
