// Every transcript as datagrams over the kernel's UDP, under each policy. The environment can put
// the server elsewhere, as tests/e2e/test_xdp.py does: MINOS_SERVER is how to start it, in words
// without blanks, MINOS_SERVER_HOST where it then is.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
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

std::string from_environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value == nullptr ? otherwise : value;
}

using Case = std::tuple<ServerShape, std::string>;

class DatagramSockets : public testing::TestWithParam<Case> {};

TEST_P(DatagramSockets, PlaysTheTranscript) {
  const auto& [shape, name] = GetParam();
  const Transcript transcript = transcript_named(name);
  auto command = words_of(from_environment("MINOS_SERVER", MINOSD " --transport=udp"));
  command.push_back("--datagram-port=" + std::to_string(base_port()));
  Minosd server(shape, command, transcript.args);
  auto channel =
      UdpChannel::open({from_environment("MINOS_SERVER_HOST", "127.0.0.1"), base_port()}, {});
  ASSERT_TRUE(channel) << channel.error();
  play_transcript(transcript, **channel);
  EXPECT_EQ(server.stop(), 0);
}

std::string name_of_case(const testing::TestParamInfo<Case>& tested) {
  const auto& [shape, name] = tested.param;
  const std::filesystem::path file(name);
  return case_name(name_of(shape.policy)) + '_' + case_name(file.stem().string());
}

INSTANTIATE_TEST_SUITE_P(Policies, DatagramSockets,
                         testing::Combine(testing::ValuesIn(kServerShapes),
                                          testing::ValuesIn(played_transcripts())),
                         name_of_case);

}  // namespace
}  // namespace minos
