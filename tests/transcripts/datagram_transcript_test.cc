// Every transcript as datagrams, through workers in virtual time: each policy, 1 to 8 workers, 1 to
// 8 RX queues, of which the session chooses as a client does.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

#include "datagrams/fake_channel.h"
#include "transcripts/fake_options.h"
#include "transcripts/text_only.h"
#include "transcripts/text_over_datagrams.h"
#include "transcripts/transcript.h"

namespace minos {
namespace {

std::vector<std::string> all_names() {
  auto names = transcript_names(MINOS_TRANSCRIPTS);
  CHECK(names.has_value());
  return *names;
}

struct Shape {
  PolicyKind policy = PolicyKind::kElastic;
  std::uint16_t workers = 1;
  std::uint16_t queues = 1;
};

struct Played {
  std::string difference;
  std::uint32_t requests = 0;
  std::uint32_t refused = 0;
  std::uint32_t foreign = 0;
};

Played play(const Transcript& transcript, const Shape& shape) {
  FakeServer::Options options = options_from(transcript);
  options.policy = shape.policy;
  options.workers = shape.workers;
  options.rx_queues = shape.queues;
  FakeServer server(options);
  publish_threshold(server, kReplyFragmentBytes);
  // Values come in windows to every other client.
  const std::uint32_t window_bytes = shape.workers % 2 == 0 ? 0 : 40'000;
  FakeChannel channel(server, 1000, window_bytes);
  const SessionOptions session{.seed = std::uint64_t{shape.workers} << 8 | shape.queues,
                               .window_bytes = window_bytes};
  TextOverDatagrams peer(
      session, channel,
      {.now = [&] { return channel.now(); },
       .unix_now = [&] { return server.unix_now(); },
       .wait =
           [&](double seconds) { channel.wait(Nanos(static_cast<std::int64_t>(seconds * 1e9))); }},
      options.item_bytes_max);
  Played out{run_transcript(transcript, peer), peer.requests(), peer.refused(), peer.foreign()};
  EXPECT_EQ(peer.counters().garbage, 0U);
  EXPECT_EQ(peer.counters().retries, 0U);
  EXPECT_EQ(server.datagrams().kept, 0U);
  EXPECT_EQ(server.sum(Counter::kRepliesDropped), 0U);
  return out;
}

using Case = std::tuple<PolicyKind, std::string>;

class DatagramTranscript : public testing::TestWithParam<Case> {};

TEST_P(DatagramTranscript, OnAnyNumberOfWorkersAndQueues) {
  const auto& [policy, name] = GetParam();
  const auto transcript = load_transcript(std::filesystem::path(MINOS_TRANSCRIPTS) / name);
  ASSERT_TRUE(transcript) << transcript.error();
  const TextOnly* const known = text_only(name);
  const TextOnly expected = known != nullptr ? *known : TextOnly{};
  if (expected.skipped) GTEST_SKIP() << expected.why;
  for (std::uint16_t queues = 1; queues <= 8; queues = static_cast<std::uint16_t>(2 * queues)) {
    for (std::uint16_t workers = 1; workers <= 8; ++workers) {
      SCOPED_TRACE(std::to_string(workers) + " workers, " + std::to_string(queues) + " queues");
      const Played played = play(*transcript, {policy, workers, queues});
      ASSERT_EQ(played.difference, "");
      ASSERT_GT(played.requests, 0U);
      ASSERT_EQ(played.refused, expected.refused) << "see text_only.h";
      ASSERT_EQ(played.foreign, expected.foreign) << "see text_only.h";
      if (HasFailure()) return;
    }
  }
}

TEST(DatagramTranscripts, WhatIsSkippedIsThere) {
  const std::vector<std::string> all = all_names();
  for (const TextOnly& entry : kTextOnly) {
    EXPECT_EQ(std::ranges::count(all, entry.transcript), 1) << entry.transcript;
  }
}

std::string case_name(const testing::TestParamInfo<Case>& tested) {
  std::string name(name_of(std::get<0>(tested.param)));
  name += '_' + std::filesystem::path(std::get<1>(tested.param)).stem().string();
  std::erase_if(name, [](unsigned char c) { return std::isalnum(c) == 0 && c != '_'; });
  return name;
}

INSTANTIATE_TEST_SUITE_P(
    Policies, DatagramTranscript,
    testing::Combine(testing::Values(PolicyKind::kElastic, PolicyKind::kSizeAware,
                                     PolicyKind::kKeyHash, PolicyKind::kSoftwareHandoff,
                                     PolicyKind::kWorkStealing),
                     testing::ValuesIn(all_names())),
    case_name);

}  // namespace
}  // namespace minos
