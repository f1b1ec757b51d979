// Every transcript as datagrams over the kernel's UDP, against minosd in a process of its own,
// under each policy.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "client/udp_channel.h"
#include "transcripts/fake_options.h"
#include "transcripts/text_only.h"
#include "transcripts/text_over_datagrams.h"
#include "transcripts/transcript.h"

namespace minos {
namespace {

struct Shape {
  PolicyKind policy;
  std::uint16_t threads;
  std::uint16_t queues;
};

// Programs started by tests that run at once: apart by process id, below the ports that the kernel
// gives away.
std::uint16_t base_port() {
  constexpr int kPortsEach = 8;
  return static_cast<std::uint16_t>(10'000 + ::getpid() % 2500 * kPortsEach);
}

// minosd, as long as it is held.
class Minosd {
 public:
  Minosd(const Shape& shape, const std::string& more_arguments) {
    std::vector<std::string> arguments = {MINOSD,
                                          "--transport=udp",
                                          "--datagram-port=" + std::to_string(base_port()),
                                          "--sharding=" + std::string(name_of(shape.policy)),
                                          "--threads=" + std::to_string(shape.threads),
                                          "--rx-queues=" + std::to_string(shape.queues),
                                          "--epoch-ms=20"};
    std::istringstream words(more_arguments);
    for (std::string word; words >> word;) arguments.push_back(word);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_ = ::fork();
    CHECK(pid_ >= 0);
    if (pid_ == 0) {
      ::execv(pointers[0], pointers.data());
      ::_exit(127);
    }
  }
  ~Minosd() { stop(); }
  Minosd(const Minosd&) = delete;
  Minosd& operator=(const Minosd&) = delete;

  // Its exit code.
  int stop() {
    if (pid_ == 0) return 0;
    ::kill(pid_, SIGTERM);
    int status = 0;
    ::waitpid(std::exchange(pid_, 0), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = 0;
};

using Case = std::tuple<Shape, std::string>;

std::vector<std::string> played_transcripts() {
  auto names = transcript_names(MINOS_TRANSCRIPTS);
  CHECK(names.has_value());
  std::erase_if(*names, [](const std::string& name) {
    const TextOnly* const known = text_only(name);
    return known != nullptr && known->skipped;  // datagram_transcript_test.cc shows which
  });
  return *names;
}

class DatagramSockets : public testing::TestWithParam<Case> {};

TEST_P(DatagramSockets, PlaysTheTranscript) {
  const auto& [shape, name] = GetParam();
  const auto transcript = load_transcript(std::filesystem::path(MINOS_TRANSCRIPTS) / name);
  ASSERT_TRUE(transcript) << transcript.error();
  Minosd server(shape, transcript->args);
  auto channel = UdpChannel::open({"127.0.0.1", base_port()}, {});
  ASSERT_TRUE(channel) << channel.error();
  SessionOptions options;
  options.timeout = std::chrono::seconds(20);
  options.window_bytes = (*channel)->window_bytes();
  options.seed = static_cast<std::uint64_t>(::getpid());
  TextOverDatagrams peer(
      options, **channel,
      {.now = [] { return Nanos(std::chrono::steady_clock::now().time_since_epoch()); },
       .unix_now = [] { return std::int64_t{std::time(nullptr)}; },
       .wait =
           [](double seconds) {
             std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
           }},
      options_from(*transcript).item_bytes_max);
  EXPECT_EQ(run_transcript(*transcript, peer), "");
  EXPECT_GT(peer.requests(), 0U);
  EXPECT_EQ(peer.counters().garbage, 0U);
  EXPECT_EQ(server.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(Policies, DatagramSockets,
                         testing::Combine(testing::Values(Shape{PolicyKind::kElastic, 2, 4},
                                                          Shape{PolicyKind::kSizeAware, 3, 3},
                                                          Shape{PolicyKind::kKeyHash, 2, 2},
                                                          Shape{PolicyKind::kSoftwareHandoff, 3, 8},
                                                          Shape{PolicyKind::kWorkStealing, 4, 4}),
                                          testing::ValuesIn(played_transcripts())),
                         [](const testing::TestParamInfo<Case>& tested) {
                           std::string name(name_of(std::get<0>(tested.param).policy));
                           name += '_' +
                                   std::filesystem::path(std::get<1>(tested.param)).stem().string();
                           std::erase_if(name, [](unsigned char c) {
                             return std::isalnum(c) == 0 && c != '_';
                           });
                           return name;
                         });

}  // namespace
}  // namespace minos
