// Every transcript as datagrams over the kernel's UDP, under each policy.

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <tuple>

#include "client/udp_channel.h"
#include "transcripts/datagram_player.h"

namespace minos {
namespace {

// Programs started by tests that run at once: apart by process id, below the ports that the kernel
// gives away.
std::uint16_t base_port() {
  constexpr int kPortsEach = 8;
  return static_cast<std::uint16_t>(10'000 + ::getpid() % 2500 * kPortsEach);
}

using Case = std::tuple<ServerShape, Transcript>;

class DatagramSockets : public testing::TestWithParam<Case> {};

TEST_P(DatagramSockets, PlaysTheTranscript) {
  const auto& [shape, transcript] = GetParam();
  Minosd server(shape, {"--transport=udp", "--datagram-port=" + std::to_string(base_port())},
                transcript.args);
  auto channel = UdpChannel::open({"127.0.0.1", base_port()}, {});
  ASSERT_TRUE(channel) << channel.error();
  play_transcript(transcript, **channel);
  EXPECT_EQ(server.stop(), 0);
}

std::string name_of_case(const testing::TestParamInfo<Case>& tested) {
  const auto& [shape, transcript] = tested.param;
  const std::filesystem::path file(transcript.name);
  return case_name(name_of(shape.policy)) + '_' + case_name(file.stem().string());
}

INSTANTIATE_TEST_SUITE_P(Policies, DatagramSockets,
                         testing::Combine(testing::ValuesIn(kServerShapes),
                                          testing::ValuesIn(played_transcripts())),
                         name_of_case);

}  // namespace
}  // namespace minos
