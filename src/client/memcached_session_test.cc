#include "client/memcached_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace minos {
namespace {

using ::testing::HasSubstr;

constexpr Nanos kNow = millis(5);

class MemcachedSessionTest : public ::testing::Test {
 protected:
  void ask(DatagramOp op, std::string_view key, std::string_view value = {},
           std::uint64_t number = 0) {
    SessionRequest request;
    request.op = op;
    request.key = key;
    request.value = value;
    request.number = number;
    request.tag = ++tags_;
    const auto taken = session_.submit(request, kNow);
    ASSERT_TRUE(taken) << taken.error().message;
  }
  // Sends all of it, in any pieces.
  std::string asked() {
    std::string out;
    while (!session_.output().empty()) {
      out += session_.output().substr(0, 7);
      session_.sent(std::min<std::size_t>(7, session_.output().size()), kNow);
    }
    return out;
  }
  bool answer(std::string_view bytes) {
    for (const char c : bytes) {
      if (!session_.receive({&c, 1}, kNow)) return false;
    }
    return true;
  }
  Completion& done(std::size_t index) { return session_.completions().at(index); }

  MemcachedSession session_{8, millis(1000)};
  std::uint64_t tags_ = 0;
};

TEST_F(MemcachedSessionTest, GetsAValueWithLineEndsInside) {
  ask(DatagramOp::kGet, "key");
  EXPECT_EQ(asked(), "gets key\r\n");
  EXPECT_TRUE(answer("VALUE key 7 8 99\r\na\r\nEND\r\n\r\nEND\r\n"));
  EXPECT_EQ(done(0).value(), "a\r\nEND\r\n");
  EXPECT_EQ(done(0).flags, 7U);
  EXPECT_EQ(done(0).number, 99U);
  ask(DatagramOp::kGet, "key");
  EXPECT_FALSE(answer("VALUE key 7 5 99\r\na\r\nEND\r\nEND\r\n")) << "longer than announced";
}

TEST_F(MemcachedSessionTest, RepliesComeInOrder) {
  ask(DatagramOp::kSet, "k", "a b");
  ask(DatagramOp::kGet, "none");
  ask(DatagramOp::kIncr, "n", {}, 5);
  ask(DatagramOp::kCas, "k", "", 12);
  ask(DatagramOp::kAdd, "k", "x");
  ask(DatagramOp::kDelete, "k");
  ask(DatagramOp::kStats, "", "slabs");
  EXPECT_EQ(asked(),
            "set k 0 0 3\r\na b\r\ngets none\r\nincr n 5\r\ncas k 0 0 0 12\r\n\r\n"
            "add k 0 0 1\r\nx\r\ndelete k\r\nstats slabs\r\n");
  EXPECT_TRUE(
      answer("STORED\r\nEND\r\n17\r\nEXISTS\r\nNOT_STORED\r\nDELETED\r\n"
             "STAT a 1\r\nSTAT b two words\r\nEND\r\n"));
  ASSERT_EQ(session_.completions().size(), 7U);
  for (std::size_t i = 0; i < 7; ++i) EXPECT_EQ(done(i).tag, i + 1);
  EXPECT_EQ(done(1).status, ClientStatus::kNotFound);
  EXPECT_EQ(done(2).number, 17U);
  EXPECT_EQ(done(3).status, ClientStatus::kExists);
  EXPECT_EQ(done(4).status, ClientStatus::kExists);
  EXPECT_EQ(done(6).value(), "STAT a 1\nSTAT b two words\n");
}

TEST_F(MemcachedSessionTest, ErrorsAreTold) {
  ask(DatagramOp::kSet, "k", "v");
  ask(DatagramOp::kSet, "k", "v");
  ask(DatagramOp::kIncr, "k");
  EXPECT_TRUE(
      answer("SERVER_ERROR out of memory storing object\r\n"
             "SERVER_ERROR object too large for cache\r\n"
             "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n"));
  EXPECT_EQ(done(0).status, ClientStatus::kOutOfMemory);
  EXPECT_EQ(done(1).status, ClientStatus::kTooLarge);
  EXPECT_EQ(done(2).status, ClientStatus::kNonNumeric);
  EXPECT_THAT(std::string(done(0).value()), HasSubstr("storing object"));
}

TEST_F(MemcachedSessionTest, NonsenseIsNoticed) {
  ask(DatagramOp::kSet, "k", "v");
  EXPECT_FALSE(answer("HTTP/1.1 400 Bad Request\r\n"));
  session_.fail_all(ClientStatus::kMalformed, "why");
  EXPECT_TRUE(done(0).maybe_executed);
  EXPECT_FALSE(session_.receive("STORED\r\n", kNow)) << "nobody asked";
}

TEST_F(MemcachedSessionTest, RefusesWhatWouldBreakTheStream) {
  SessionRequest bad;
  bad.op = DatagramOp::kGet;
  for (const std::string& key :
       {std::string("a b"), std::string("a\r\nflush_all"), std::string(), std::string(251, 'k')}) {
    bad.key = key;
    EXPECT_FALSE(session_.submit(bad, kNow)) << key;
  }
  bad.op = DatagramOp::kStats;
  bad.value = "x\r\nflush_all";
  EXPECT_FALSE(session_.submit(bad, kNow));
  EXPECT_EQ(session_.output(), "");
  for (int i = 0; i < 8; ++i) ask(DatagramOp::kGet, "k");
  bad.op = DatagramOp::kGet;
  bad.key = "k";
  EXPECT_EQ(session_.submit(bad, kNow).error().status, ClientStatus::kTooMany);
}

}  // namespace
}  // namespace minos
