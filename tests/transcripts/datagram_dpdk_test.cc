// Every transcript as datagrams over DPDK, under each policy: minosd on a virtio socket, without
// huge pages or privileges, and this process as its client.

#include <gtest/gtest.h>
#include <rte_dev.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "cli/dpdk_sources.h"
#include "transcripts/datagram_player.h"
#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"

namespace minos {
namespace {

constexpr Ipv4Address kServerAddress = {10, 0, 0, 1};
constexpr Ipv4Address kClientAddress = {10, 0, 0, 2};
constexpr std::uint16_t kServerPort = 11300;

bool waits(const Transcript& transcript) {
  return std::ranges::any_of(transcript.steps, [](const TranscriptStep& step) {
    return step.kind == TranscriptStep::Kind::kWait;
  });
}

// A virtio device of this process, connected to the server at `path`, which may still be starting;
// as long as it is held. Eal can be started only once, so each server gets a device of its own.
class Plugged {
 public:
  Plugged(const std::string& path, std::uint16_t queues) {
    const auto device = virtio_user_device(path, queues, kClientAddress);
    if (!device) return;
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!plugged_ && std::chrono::steady_clock::now() < end) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      plugged_ =
          std::filesystem::is_socket(path) && rte_dev_probe(("vdev:" + *device).c_str()) == 0;
    }
  }
  // The channel has closed its device already: what is left of it is its name.
  ~Plugged() {
    if (plugged_) rte_eal_hotplug_remove("vdev", "net_virtio_user0");
  }
  Plugged(const Plugged&) = delete;
  Plugged& operator=(const Plugged&) = delete;

  explicit operator bool() const { return plugged_; }

 private:
  bool plugged_ = false;
};

class DatagramDpdk : public testing::TestWithParam<ServerShape> {
 protected:
  DatagramDpdk() {
    std::string pattern = testing::TempDir() + "minos_transcripts_XXXXXX";
    if (::mkdtemp(pattern.data()) != nullptr) folder_ = pattern;
  }
  ~DatagramDpdk() override { std::filesystem::remove_all(folder_); }

  void serve_and_play(const std::string& args, const std::vector<Transcript>& transcripts) {
    const std::string path = folder_ / "vhost.sock";
    Minosd server(GetParam(),
                  {MINOSD, "--transport=dpdk", "--datagram-port=" + std::to_string(kServerPort),
                   "--dpdk-vhost=" + path, "--dpdk-args=--no-huge"},
                  args);
    play(path, transcripts);
    EXPECT_EQ(server.stop(), 0);
  }

  void play(const std::string& path, const std::vector<Transcript>& transcripts) {
    const std::uint16_t queues = GetParam().queues;
    const Plugged device(path, queues);
    ASSERT_TRUE(device) << "no virtio device at " << path;
    auto channel = DpdkChannel::create({.address = kClientAddress,
                                        .source_port = 40'000,
                                        .server_address = kServerAddress,
                                        .base_port = kServerPort,
                                        .queues = queues});
    ASSERT_TRUE(channel) << channel.error();
    const DatagramChannels channels = share_among_sources(std::move(*channel), {.queues = queues});
    for (const Transcript& transcript : transcripts) {
      SCOPED_TRACE(transcript.name);
      play_transcript(transcript, *channels.front());
    }
  }

  std::filesystem::path folder_;
};

TEST_P(DatagramDpdk, PlaysAllTranscripts) {
  ASSERT_FALSE(folder_.empty());
  std::map<std::string, std::vector<Transcript>> by_args;
  for (const std::string& name : played_transcripts()) {
    Transcript transcript = transcript_named(name);
    // Time passes the same way under each policy.
    if (waits(transcript) && GetParam().policy != PolicyKind::kElastic) continue;
    by_args[transcript.args].push_back(std::move(transcript));
  }
  const auto eal = Eal::start({"--no-huge"});
  ASSERT_TRUE(eal) << eal.error();
  for (const auto& [args, transcripts] : by_args) serve_and_play(args, transcripts);
}

INSTANTIATE_TEST_SUITE_P(Policies, DatagramDpdk, testing::ValuesIn(kServerShapes),
                         [](const testing::TestParamInfo<ServerShape>& tested) {
                           return case_name(name_of(tested.param.policy));
                         });

}  // namespace
}  // namespace minos
