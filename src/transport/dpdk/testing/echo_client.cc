#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"
#include "transport/dpdk/poll_pause.h"
#include "transport/dpdk/testing/echo.h"
#include "transport/frame/testing/reference_frame.h"

namespace minos::echo {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

int fail(const std::string& why) {
  std::fprintf(stderr, "echo client: %s\n", why.c_str());
  return 1;
}

// A payload that says which one it is, as far as it has room for that.
std::string numbered(char kind, std::uint32_t number, std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(number * 31 + i * 7);
  if (bytes >= 1) text[0] = kind;
  if (bytes >= 5) std::memcpy(text.data() + 1, &number, sizeof number);
  return text;
}

class EchoClient {
 public:
  explicit EchoClient(DpdkChannel& channel) : channel_(channel) {}

  // Receives until `done` or patience ends.
  bool until(const std::function<bool()>& done,
             const std::function<void(std::string_view, DpdkChannel::Origin)>& take) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      channel_.flush();
      datagrams_.clear();
      if (channel_.receive(datagrams_) == 0) {
        pause_.after_round(false);
        if (std::chrono::steady_clock::now() > end) return false;
      }
      for (std::size_t i = 0; i < datagrams_.size(); ++i) {
        take(datagrams_[i], channel_.origins()[i]);
      }
    }
    return true;
  }

  // Every size to every queue, from every source in turn; each answer must be the same, from the
  // port that was asked, to the port that asked.
  int sizes() {
    std::map<std::string, int> expected;  // per queue and source, what has not come back
    std::size_t wrong = 0;
    const auto key = [](std::size_t queue, std::size_t source, std::string_view bytes) {
      return std::to_string(queue) + ' ' + std::to_string(source) + ' ' + std::string(bytes);
    };
    const auto take = [&](std::string_view bytes, DpdkChannel::Origin origin) {
      const auto at = expected.find(key(origin.queue.value, origin.source, bytes));
      if (at == expected.end()) {
        ++wrong;
      } else if (--at->second == 0) {
        expected.erase(at);
      }
    };
    for (std::uint32_t n = 0; n < (kDatagramBytesMax + 1) * kQueues; ++n) {
      const std::size_t bytes = n / kQueues;
      const auto queue = static_cast<std::uint16_t>(n % kQueues);
      const auto source = static_cast<std::uint16_t>(n % kSourcePorts);
      const std::string payload = numbered('S', n, bytes);
      channel_.use_source(source);
      const std::string_view all(payload);
      if (!channel_.send(QueueId{queue}, all.substr(0, bytes / 3), all.substr(bytes / 3))) {
        return fail("no room to send");
      }
      ++expected[key(queue, source, payload)];
      if (!until([&] { return expected.size() < 64; }, take)) return fail("answers are missing");
    }
    if (!until([&] { return expected.empty(); }, take)) return fail("answers are missing");
    return wrong == 0 ? 0 : fail(std::to_string(wrong) + " answers to nothing asked");
  }

  // The server's way out is full of large datagrams; small ones must all be answered.
  int large() {
    constexpr std::uint32_t kLarge = 20'000;
    constexpr std::size_t kSmall = 200;
    std::string ask = "L....";
    std::memcpy(ask.data() + 1, &kLarge, sizeof kLarge);
    channel_.send(QueueId{1}, ask, "");
    channel_.flush();
    // Nobody receives: the ring of the device is full soon, then what the server may have waiting.
    const auto wait = std::chrono::steady_clock::now() + std::chrono::milliseconds(50);
    while (std::chrono::steady_clock::now() < wait) pause_.after_round(false);
    for (std::size_t i = 0; i < kSmall; ++i) {
      channel_.send(QueueId{1}, numbered('S', static_cast<std::uint32_t>(i), 100), "");
    }
    channel_.flush();
    while (std::chrono::steady_clock::now() < wait + std::chrono::milliseconds(50))
      pause_.after_round(false);
    std::size_t large = 0;
    std::size_t small = 0;
    std::size_t small_came_after = 0;
    const bool all = until([&] { return large == kLarge && small == kSmall; },
                           [&](std::string_view bytes, DpdkChannel::Origin) {
                             if (bytes.size() == kLargeBytes) {
                               ++large;
                             } else if (bytes.size() == 100) {
                               ++small;
                               small_came_after = large;
                             }
                           });
    if (!all) {
      return fail("of the large " + std::to_string(large) + ", of the small ones " +
                  std::to_string(small) + " came");
    }
    return small_came_after < kLarge / 2 ? 0 : fail("small ones waited for the large ones");
  }

  // Packets that are kept while others come and go still hold what was sent.
  int keep() {
    constexpr std::uint32_t kKept = 500;
    std::map<std::string, int> kept;
    std::size_t echoed = 0;
    std::size_t wrong = 0;
    const auto take = [&](std::string_view bytes, DpdkChannel::Origin) {
      if (!bytes.empty() && bytes[0] == 'K') {
        wrong += kept.erase(std::string(bytes)) == 0;
      } else {
        ++echoed;
      }
    };
    std::size_t sent = 0;
    for (std::uint32_t n = 0; n < kKept; ++n) {
      const std::string payload = numbered('K', n, 5 + n * 2);
      kept[payload] = 1;
      channel_.send(QueueId{static_cast<std::uint16_t>(n % kQueues)}, payload, "");
      for (int other = 0; other < 20; ++other) {
        channel_.send(QueueId{static_cast<std::uint16_t>(other % kQueues)},
                      numbered('S', n, kDatagramBytesMax), "");
        ++sent;
      }
      if (!until([&] { return sent - echoed < 64; }, take)) return fail("answers are missing");
    }
    if (!until([&] { return sent == echoed; }, take)) return fail("answers are missing");
    if (kept.size() != kKept) return fail("what was to be kept came back");
    channel_.send(QueueId{0}, "R", "");
    if (!until([&] { return kept.empty(); }, take)) {
      return fail(std::to_string(kept.size()) + " kept packets are missing");
    }
    return wrong == 0 ? 0 : fail("kept packets have changed");
  }

  int ping() {
    const std::string data = numbered('P', 1, 1000);
    FrameSpec spec{.to = channel_.server().link,
                   .from = channel_.self().mac,
                   .protocol = 1,
                   .source = kClientAddress,
                   .destination = kServerAddress,
                   .payload = std::string("\x08\x00\x00\x00\x12\x34\x00\x01", 8) + data};
    const std::uint32_t sum = 0xffff - reference_sum(spec.payload);
    spec.payload[2] = static_cast<char>(sum >> 8);
    spec.payload[3] = static_cast<char>(sum);
    channel_.send_frame(build(spec));
    std::string answer;
    const bool came = until(
        [&] {
          answer = channel_.last_stranger();
          // The server may have been asked for its MAC address more than once.
          return answer.size() > kArpFrameBytes;
        },
        [](std::string_view, DpdkChannel::Origin) {});
    if (!came) return fail("no answer to an echo request");
    if (answer.size() != 42 + data.size() || answer.substr(42) != data || answer[34] != 0) {
      return fail("a wrong answer to an echo request");
    }
    return channel_.server().link == kServerMac ? 0 : fail("a wrong MAC address by ARP");
  }

  // Sends and receives until it is killed, with answers always on their way.
  int forever() {
    std::puts("running");
    std::fflush(stdout);
    std::size_t unanswered = 0;
    for (std::uint32_t n = 0;; ++n) {
      for (; unanswered < 200; ++unanswered) {
        channel_.send(QueueId{static_cast<std::uint16_t>(unanswered % kQueues)},
                      numbered('S', n, 700), "");
      }
      channel_.flush();
      datagrams_.clear();
      unanswered -= channel_.receive(datagrams_);
    }
  }

 private:
  DpdkChannel& channel_;
  PollPause pause_;
  std::vector<std::string_view> datagrams_;
};

}  // namespace

int run_client(const std::string& path, const std::string& scenario) {
  const auto vdev = virtio_user_device(path, kQueues, kClientAddress);
  if (!vdev) return fail(vdev.error());
  const auto eal = Eal::start({"--vdev", *vdev, "-m", "128"});
  if (!eal) return fail(eal.error());
  const auto channel = DpdkChannel::create({.address = kClientAddress,
                                            .source_port = kSourcePort,
                                            .source_ports = kSourcePorts,
                                            .server_address = kServerAddress,
                                            .base_port = kBasePort,
                                            .queues = kQueues});
  if (!channel) return fail(channel.error());
  EchoClient client(**channel);
  if (scenario == "sizes") return client.sizes();
  if (scenario == "large") return client.large();
  if (scenario == "keep") return client.keep();
  if (scenario == "ping") return client.ping();
  if (scenario == "forever") return client.forever();
  return fail("no such scenario: " + scenario);
}

}  // namespace minos::echo
