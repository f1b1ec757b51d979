// What a port does when the kernel takes no more, on a real network device that holds everything
// back: a TAP device in a network namespace of the test's own. Until the peer's Ethernet address is
// known, datagrams wait in the kernel and fill the socket's buffer.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <thread>

#include "transport/network.h"
#include "transport/testing/udp_port_fixture.h"

namespace minos {
namespace {

using ::testing::ElementsAre;

constexpr std::string_view kHost = "10.77.0.1";
constexpr std::string_view kPeer = "10.77.0.2";
constexpr std::size_t kHeaderBytes = 14 + 20 + 8;  // Ethernet, IPv4, UDP

sockaddr_in address_of(std::string_view text) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  ::inet_pton(AF_INET, std::string(text).c_str(), &out.sin_addr);
  return out;
}

// A network device whose other end is a descriptor.
class Tap {
 public:
  Tap()
      : device_(::open("/dev/net/tun", O_RDWR | O_NONBLOCK)),
        control_(::socket(AF_INET, SOCK_DGRAM, 0)) {
    ifreq request = named();
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    works_ = ::ioctl(device_.get(), TUNSETIFF, &request) == 0;
    request = named();
    set(request.ifr_addr, kHost);
    works_ = works_ && ::ioctl(control_.get(), SIOCSIFADDR, &request) == 0;
    set(request.ifr_netmask, "255.255.255.0");
    works_ = works_ && ::ioctl(control_.get(), SIOCSIFNETMASK, &request) == 0;
    request = named();
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    works_ = works_ && ::ioctl(control_.get(), SIOCSIFFLAGS, &request) == 0;
  }

  bool works() const { return works_; }

  // From now on datagrams for the peer come out of the device.
  void resolve_peer() {
    arpreq request{};
    set(request.arp_pa, kPeer);
    request.arp_ha.sa_family = ARPHRD_ETHER;
    request.arp_ha.sa_data[0] = 2;
    request.arp_flags = ATF_PERM | ATF_COM;
    std::memcpy(request.arp_dev, "tap0", 5);
    ASSERT_EQ(::ioctl(control_.get(), SIOCSARP, &request), 0) << std::strerror(errno);
  }

  // Payloads of the UDP datagrams that came out since the last call.
  std::vector<std::string> take() {
    std::vector<std::string> out;
    std::string frame(1 << 16, 0);
    for (;;) {
      const ssize_t got = ::read(device_.get(), frame.data(), frame.size());
      if (got <= 0) return out;
      const bool is_udp = frame[12] == 8 && frame[13] == 0 && frame[23] == IPPROTO_UDP;
      if (is_udp)
        out.push_back(frame.substr(kHeaderBytes, static_cast<std::size_t>(got) - kHeaderBytes));
    }
  }

 private:
  static ifreq named() {
    ifreq request{};
    std::memcpy(request.ifr_name, "tap0", 5);
    return request;
  }
  static void set(sockaddr& to, std::string_view text) {
    const sockaddr_in address = address_of(text);
    std::memcpy(&to, &address, sizeof address);
  }

  Fd device_;
  Fd control_;
  bool works_ = false;
};

// Calls `body` on a thread with a network namespace of its own; the test is skipped where that may
// not be made.
void with_tap(const std::function<void(Tap&, UdpQueues&)>& body) {
  bool has_run = false;
  std::jthread([&] {
    if (::unshare(CLONE_NEWNET) != 0) return;
    Tap tap;
    if (!tap.works()) return;
    has_run = true;
    UdpQueues::Options options;
    options.base_port = 11300;
    options.buffer_bytes = 8192;
    auto queues = UdpQueues::open(std::string(kHost), options);
    ASSERT_TRUE(queues.has_value()) << queues.error();
    EXPECT_EQ(queues->front()->send_buffer_bytes(), 8192U);
    body(tap, *queues->front());
  }).join();
  if (!has_run) GTEST_SKIP() << "needs CAP_NET_ADMIN and /dev/net/tun";
}

Peer peer_behind_tap() {
  UdpAddress address{};
  address.v4 = address_of(kPeer);
  address.v4.sin_port = htons(5000);
  return peer_of(address, false);
}

std::vector<std::string> flush_until(UdpPort& port, Tap& tap, std::size_t datagrams) {
  std::vector<std::string> out;
  for (int i = 0; i < 1000 && out.size() < datagrams; ++i) {
    port.flush();
    for (std::string& one : tap.take()) out.push_back(std::move(one));
    std::this_thread::sleep_for(micros(200));
  }
  return out;
}

TEST(UdpPortFull, RepliesWaitUntilThereIsRoom) {
  with_tap([](Tap& tap, UdpQueues& queues) {
    UdpPort port(queues, {});
    const Peer peer = peer_behind_tap();
    // Until the kernel takes no more.
    std::vector<std::string> sent;
    for (int i = 0; i < 100; ++i) {
      std::string value = numbered(30, 1400);
      value.replace(0, 3, std::to_string(100 + i));
      std::string_view left(value);
      bool taken = true;
      for (; !left.empty() && taken; left.remove_prefix(taken ? 1400 : 0)) {
        const std::array<iovec, 1> parts{part_of(left.substr(4, 1396))};
        taken = port.gather(peer, left.substr(0, 4), parts);
        if (taken) sent.emplace_back(left.substr(0, 1400));
      }
      port.flush();
      value.assign(value.size(), '!');  // a value is its owner's after flush()
      if (!taken) break;
    }
    EXPECT_EQ(port.counters().tx_full.get(), 1U);
    EXPECT_LT(sent.size(), 400U);
    EXPECT_LT(port.counters().packets_out.get(), sent.size());
    EXPECT_FALSE(port.gather(peer, "large", {}));

    // Small replies have room longer, but not without end.
    int small = 0;
    while (small < 1000 && port.room(peer) != nullptr) {
      port.commit(kDatagramBytesMax);
      ++small;
    }
    EXPECT_EQ(small, 256);
    port.flush();

    tap.resolve_peer();
    const std::vector<std::string> got = flush_until(port, tap, sent.size() + 256);
    ASSERT_EQ(got.size(), sent.size() + 256);
    EXPECT_TRUE(std::equal(sent.begin(), sent.end(), got.begin()));
    EXPECT_EQ(port.counters().packets_out.get(), got.size());
    EXPECT_EQ(port.counters().send_errors.get(), 0U);
    // And now there is room again.
    EXPECT_TRUE(port.gather(peer, "large again", {}));
    send_small(port, peer, "small again");
    EXPECT_THAT(flush_until(port, tap, 2), ElementsAre("large again", "small again"));
  });
}

TEST(UdpPortFull, AWorkerWithUnsentRepliesDoesNotSleepForLong) {
  with_tap([](Tap& tap, UdpQueues& queues) {
    auto owned = std::make_unique<UdpPort>(queues, UdpPort::Options());
    UdpPort& port = *owned;
    std::vector<Plane> planes;
    planes.push_back({std::move(owned), &port});
    const auto network = std::move(*Network::create(std::move(planes)));
    const Peer peer = peer_behind_tap();
    for (int i = 0; i < 100; ++i) {
      send_small(port, peer, std::string(1400 - static_cast<std::size_t>(i), 'x'));
    }
    port.flush();
    EXPECT_LT(port.counters().packets_out.get(), 100U);
    std::atomic<bool> done{false};
    std::jthread resolver([&] {
      std::this_thread::sleep_for(millis(50));
      tap.resolve_peer();
      // Nothing but the port itself ends the worker's sleep, unless it fails to.
      for (int i = 0; i < 1000 && !done.load(); ++i) std::this_thread::sleep_for(millis(1));
      network->wake();
    });
    Rx rx;
    Tx tx;
    int rounds = 0;
    while (rounds < 1000 && port.counters().packets_out.get() < 100) {
      RxPlan plan;
      plan.block = Nanos(-1);
      rx.clear();
      network->take_datagrams(plan, rx);
      network->receive(plan, rx);
      network->send(tx);
      ++rounds;
    }
    EXPECT_EQ(port.counters().packets_out.get(), 100U);
    EXPECT_LT(rounds, 300);
    done.store(true);
  });
}

}  // namespace
}  // namespace minos
