// Every transcript through workers in virtual time: each policy, 1, 2 and 4 workers, requests
// whole, byte by byte, in random pieces, and for three of these also in two at every byte.

#include <gtest/gtest.h>

#include <algorithm>

#include "transcripts/fake_options.h"
#include "transcripts/transcript.h"
#include "worker/testing/fake_server.h"

namespace minos {
namespace {

class FakePeer final : public TranscriptPeer {
 public:
  explicit FakePeer(FakeServer& server, std::uint16_t workers)
      : server_(server), workers_(workers) {
    reconnect();
  }

  void send(std::string_view bytes) override {
    peer_->to_server += bytes;
    EXPECT_TRUE(server_.run()) << "the server does not come to rest";
  }

  std::string receive(std::size_t bytes_max) override {
    std::string taken = peer_->from_server.substr(0, bytes_max);
    peer_->from_server.erase(0, taken.size());
    return taken;
  }

  void wait(double seconds) override {
    server_.advance(Nanos(static_cast<std::int64_t>(seconds * 1e9)));
  }

  bool closed() override { return peer_->closed_by_server; }

  void reconnect() override {
    peer_ = &server_.connect(CoreId{static_cast<std::uint16_t>(connections_++ % workers_)});
  }

  std::int64_t unix_now() override { return server_.unix_now(); }

 private:
  FakeServer& server_;
  FakeNetwork::Peer* peer_ = nullptr;
  std::uint16_t workers_;
  unsigned connections_ = 0;
};

std::string play(const Transcript& transcript, PolicyKind policy, std::uint16_t workers,
                 const TranscriptSplit& split) {
  FakeServer::Options options = options_from(transcript);
  options.policy = policy;
  options.workers = workers;
  FakeServer server(options);
  publish_threshold(server, kInlineValueBytesMax);
  FakePeer peer(server, workers);
  return run_transcript(transcript, peer, split);
}

std::size_t longest_request(const Transcript& transcript) {
  std::size_t longest = 0;
  for (const TranscriptStep& step : transcript.steps) {
    if (step.kind != TranscriptStep::Kind::kSend) continue;
    std::size_t bytes = 0;
    for (const TranscriptPiece& piece : step.pieces) {
      if (const auto* text = std::get_if<std::string>(&piece)) bytes += text->size();
    }
    longest = std::max(longest, bytes);
  }
  return longest;
}

const std::vector<Transcript>& transcripts() {
  static const std::vector<Transcript> all = [] {
    auto loaded = load_transcripts(MINOS_TRANSCRIPTS);
    EXPECT_TRUE(loaded.has_value()) << loaded.error();
    return loaded ? *loaded : std::vector<Transcript>();
  }();
  return all;
}

using Case = std::tuple<PolicyKind, std::uint16_t>;

class WorkerTranscript : public testing::TestWithParam<Case> {};

TEST_P(WorkerTranscript, WholeAndInPieces) {
  const auto [policy, workers] = GetParam();
  ASSERT_GE(transcripts().size(), 15U);
  for (const Transcript& transcript : transcripts()) {
    using Kind = TranscriptSplit::Kind;
    EXPECT_EQ(play(transcript, policy, workers, {Kind::kWhole}), "");
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      EXPECT_EQ(play(transcript, policy, workers, {Kind::kRandom, 0, seed}), "") << "seed " << seed;
    }
    if (longest_request(transcript) <= 20'000) {
      EXPECT_EQ(play(transcript, policy, workers, {Kind::kEveryByte}), "");
    }
  }
}

// In two at every so many bytes of a command line and its surroundings; the inside of long bodies
// is alike.
void split_at_every(std::size_t bytes, PolicyKind policy, std::uint16_t workers) {
  for (const Transcript& transcript : transcripts()) {
    constexpr std::size_t kSplitsMax = 160;
    const std::size_t end = std::min(longest_request(transcript), kSplitsMax);
    for (std::size_t at = 1; at < end; at += bytes) {
      const std::string difference =
          play(transcript, policy, workers, {TranscriptSplit::Kind::kAt, at, 0});
      ASSERT_EQ(difference, "") << "split at " << at;
    }
  }
}

TEST(WorkerTranscriptSplit, OneElasticWorker) {
  split_at_every(1, PolicyKind::kElastic, 1);
}
TEST(WorkerTranscriptSplit, TwoSizeAwareWorkers) {
  split_at_every(5, PolicyKind::kSizeAware, 2);
}
TEST(WorkerTranscriptSplit, DispatcherAndWorker) {
  split_at_every(5, PolicyKind::kSoftwareHandoff, 2);
}

std::string case_name(const testing::TestParamInfo<Case>& info) {
  std::string name(name_of(std::get<0>(info.param)));
  std::erase(name, '-');
  return name + std::to_string(std::get<1>(info.param));
}

INSTANTIATE_TEST_SUITE_P(
    Policies, WorkerTranscript,
    testing::Combine(testing::Values(PolicyKind::kElastic, PolicyKind::kSizeAware,
                                     PolicyKind::kKeyHash, PolicyKind::kSoftwareHandoff,
                                     PolicyKind::kWorkStealing),
                     testing::Values(std::uint16_t{1}, std::uint16_t{2}, std::uint16_t{4})),
    case_name);

}  // namespace
}  // namespace minos
