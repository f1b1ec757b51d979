#include "load/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

namespace minos {
namespace {

using ::testing::HasSubstr;

const KeySpace kSpace({.keys = 1000,
                       .large_keys = 10,
                       .large_bytes_max = 100'000,
                       .value_bytes = 0,
                       .first_key = 0,
                       .seed = 1});

LoadRequest get(std::uint32_t key) {
  return request_for(kSpace, key, LoadOp::kGet);
}
LoadRequest set(std::uint32_t key) {
  return request_for(kSpace, key, LoadOp::kSet);
}

std::string_view value_of(const LoadRequest& request) {
  return kSpace.value(request.key, request.value_bytes);
}

std::string sent_by(Session& session) {
  std::string out;
  while (!session.output().empty()) {
    std::array<iovec, 4> entries{};
    const std::size_t before = out.size();
    const std::size_t used = session.output().gather(entries);
    for (std::size_t i = 0; i < used; ++i) {
      out.append(static_cast<const char*>(entries[i].iov_base), entries[i].iov_len);
    }
    session.output().sent(out.size() - before);
  }
  return out;
}

std::string hit(ProtocolKind kind, const LoadRequest& request) {
  const std::string size = std::to_string(request.value_bytes);
  const std::string value(value_of(request));
  if (kind == ProtocolKind::kRedis) return "$" + size + "\r\n" + value + "\r\n";
  const auto key = kSpace.key(request.key);
  return "VALUE " + std::string(key.begin(), key.end()) + " 0 " + size + "\r\n" + value +
         "\r\nEND\r\n";
}

TEST(Session, SpeaksMemcached) {
  Session session(memcached_protocol(), kSpace, false);
  session.push(get(255), Nanos(1));
  session.push(set(3), Nanos(2));
  session.push(set(1005), Nanos(2));
  const std::string small(value_of(set(3)));
  const std::string large(value_of(set(1005)));
  EXPECT_EQ(sent_by(session), "get 000000ff\r\nset 00000003 0 0 " + std::to_string(small.size()) +
                                  "\r\n" + small + "\r\nset 000003ed 0 0 " +
                                  std::to_string(large.size()) + "\r\n" + large + "\r\n");
}

TEST(Session, SpeaksRedis) {
  Session session(redis_protocol(), kSpace, false);
  session.push(get(255), Nanos(1));
  session.push(set(3), Nanos(2));
  const std::string small(value_of(set(3)));
  EXPECT_EQ(sent_by(session),
            "*2\r\n$3\r\nGET\r\n$8\r\n000000ff\r\n*3\r\n$3\r\nSET\r\n$8\r\n00000003\r\n$" +
                std::to_string(small.size()) + "\r\n" + small + "\r\n");
}

class SessionReplies : public ::testing::TestWithParam<ProtocolKind> {};

// Every way of cutting the stream in two, and one byte at a time, gives the same requests back.
TEST_P(SessionReplies, AreTheSameHoweverTheyArrive) {
  const ProtocolKind kind = GetParam();
  const bool redis = kind == ProtocolKind::kRedis;
  const std::string refusal = redis ? "-OOM no room" : "SERVER_ERROR no room";
  const std::string stream = hit(kind, get(1)) + (redis ? "$-1\r\n" : "END\r\n") +
                             (redis ? "+OK\r\n" : "STORED\r\n") + refusal + "\r\n" +
                             hit(kind, get(2));
  const std::array<ReplyStatus, 5> wanted = {ReplyStatus::kHit, ReplyStatus::kMiss,
                                             ReplyStatus::kStored, ReplyStatus::kRefused,
                                             ReplyStatus::kHit};
  for (std::size_t cut = 0; cut <= stream.size(); ++cut) {
    Session session(protocol_of(kind), kSpace, true);
    for (const LoadRequest& request : {get(1), get(7), set(8), set(9), get(2)}) {
      session.push(request, Nanos(request.key));
    }
    std::vector<FinishedRequest> done;
    if (cut == stream.size()) {
      for (const char& c : stream) ASSERT_TRUE(session.receive({&c, 1}, done));
    } else {
      ASSERT_TRUE(session.receive(std::string_view(stream).substr(0, cut), done));
      ASSERT_TRUE(session.receive(std::string_view(stream).substr(cut), done));
    }
    ASSERT_EQ(done.size(), wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_EQ(done[i].status, wanted[i]);
      EXPECT_EQ(done[i].scheduled, Nanos(done[i].request.key));
    }
    EXPECT_EQ(session.outstanding(), 0U);
    EXPECT_EQ(session.first_refusal(), refusal);
  }
}

TEST_P(SessionReplies, DropsLargeBodiesUnseen) {
  Session session(protocol_of(GetParam()), kSpace, false);
  const LoadRequest request = get(1003);
  session.push(request, Nanos(0));
  session.push(request, Nanos(0));
  std::vector<FinishedRequest> done;
  const std::string reply = hit(GetParam(), request);
  const std::size_t head = reply.find('\n') + 11;
  ASSERT_TRUE(session.receive(std::string_view(reply).substr(0, head), done));
  EXPECT_EQ(session.droppable_bytes(), request.value_bytes - 10);
  session.dropped(request.value_bytes - 10);
  EXPECT_EQ(session.droppable_bytes(), 0U);
  ASSERT_TRUE(session.receive(reply.substr(head + request.value_bytes - 10) + reply, done));
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[1].status, ReplyStatus::kHit);
}

TEST_P(SessionReplies, KnowWhenTheirRequestsLeft) {
  Session session(protocol_of(GetParam()), kSpace, false);
  EXPECT_EQ(session.droppable_due(), 0U);
  session.push(get(1003), Nanos(1));
  session.note_sending(Nanos(10));
  session.push(get(4), Nanos(2));
  session.push(set(1003), Nanos(3));
  EXPECT_EQ(session.droppable_due(), get(1003).value_bytes);
  std::vector<FinishedRequest> done;
  ASSERT_TRUE(session.receive(hit(GetParam(), get(1003)), done));
  session.note_sending(Nanos(20));
  ASSERT_TRUE(session.receive(hit(GetParam(), get(4)), done));
  EXPECT_EQ(session.droppable_due(), 0U) << "a reply without a value";
  ASSERT_TRUE(session.receive(GetParam() == ProtocolKind::kRedis ? "+OK\r\n" : "STORED\r\n", done));
  ASSERT_EQ(done.size(), 3U);
  EXPECT_EQ(done[0].sent, Nanos(10));
  EXPECT_EQ(done[1].sent, Nanos(20));
  EXPECT_EQ(done[2].sent, Nanos(20));
  Session verifying(protocol_of(GetParam()), kSpace, true);
  verifying.push(get(1003), Nanos(1));
  EXPECT_EQ(verifying.droppable_due(), 0U);
}

TEST_P(SessionReplies, NoticesWrongValues) {
  Session session(protocol_of(GetParam()), kSpace, true);
  const LoadRequest request = get(1004);
  session.push(request, Nanos(0));
  session.push(request, Nanos(0));
  std::string corrupt = hit(GetParam(), request);
  corrupt[corrupt.size() - 20] ^= 1;
  std::vector<FinishedRequest> done;
  ASSERT_TRUE(session.receive(corrupt, done));
  ASSERT_TRUE(session.receive(hit(GetParam(), get(1005)), done));
  ASSERT_EQ(done.size(), 2U);
  EXPECT_EQ(done[0].status, ReplyStatus::kWrongContent);
  EXPECT_EQ(done[1].status, ReplyStatus::kWrongSize);
}

TEST_P(SessionReplies, FailOnNonsense) {
  const std::string value = hit(GetParam(), get(1));
  const std::vector<std::string> streams = {"\r\n",
                                            "OK\r\n",
                                            "VALUE\r\n",
                                            "VALUE a b c\r\n",
                                            "$\r\n",
                                            "$x\r\n",
                                            "$-2\r\n",
                                            "STORED\r\n",
                                            "+OK\r\n",
                                            "+\n",
                                            std::string(5000, 'x'),
                                            value.substr(0, value.size() - 1) + "x",
                                            value + "unasked\r\n"};
  for (const std::string& stream : streams) {
    Session session(protocol_of(GetParam()), kSpace, false);
    session.push(get(1), Nanos(0));
    std::vector<FinishedRequest> done;
    EXPECT_FALSE(session.receive(stream, done)) << stream;
    EXPECT_THAT(session.failure(), HasSubstr("the server"));
  }
}

INSTANTIATE_TEST_SUITE_P(Protocols, SessionReplies,
                         ::testing::Values(ProtocolKind::kMemcached, ProtocolKind::kRedis));

}  // namespace
}  // namespace minos
