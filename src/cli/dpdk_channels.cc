#include "cli/dpdk_channels.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sched.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "transport/dpdk/dpdk_channel.h"
#include "transport/dpdk/eal.h"
#include "transport/dpdk/eal_arguments.h"
#include "transport/dpdk/poll_pause.h"

namespace minos {
namespace {

constexpr std::uint16_t kSourcePort = 40'000;
constexpr std::int64_t kQueuesMax = 128;

// Of values on their way to all source ports, where a full ring loses what comes. A virtio server
// holds back what finds no room.
constexpr std::uint32_t kWindowBytes = 1 << 20;

// The device of this process, shared by the channels of its source ports. One thread at a time.
class Device {
 public:
  Device(std::unique_ptr<Eal> eal, std::unique_ptr<DpdkChannel> channel, std::uint16_t queues,
         std::uint16_t sources, std::uint32_t window_bytes)
      : eal_(std::move(eal)),
        channel_(std::move(channel)),
        queues_(queues),
        window_bytes_(window_bytes),
        sources_(sources) {}

  std::uint32_t window_bytes() const { return window_bytes_; }

  std::size_t room() {
    enter_thread();
    return channel_->room();
  }

  void send(std::uint16_t source, std::span<const OutDatagram> datagrams) {
    enter_thread();
    channel_->use_source(source);
    for (const OutDatagram& out : datagrams) send_one(out);
    channel_->flush();
  }

  // Whoever asks a second time starts a new round: the memory of the last one is reused, and what
  // sources did not fetch that nobody asks for is gone.
  void receive(std::uint16_t source, std::vector<InDatagram>& datagrams) {
    enter_thread();
    Source& mine = sources_[source];
    if (mine.asked) start_round();
    mine.asked = true;
    datagrams.insert(datagrams.end(), mine.arrived.begin(), mine.arrived.end());
    mine.arrived.clear();
  }

  void pause() { pause_.idle(); }

 private:
  struct Source {
    bool asked = true;  // since the round started
    std::vector<InDatagram> arrived;
  };

  // A load runs on other threads than the one that opened it, one after another.
  static void enter_thread() { static thread_local const EalThread known_to_eal; }

  void send_one(const OutDatagram& out) {
    if (out.queue.value >= queues_) {
      if (!std::exchange(too_few_queues_, true)) {
        fmt::print(stderr, "minos: the server has more RX queues than --queues={}\n", queues_);
      }
      return;
    }
    channel_->send(out.queue, {out.front.data(), out.front_bytes}, out.payload);
  }

  void start_round() {
    // Frames that the device had no room for may still wait.
    channel_->flush();
    received_.clear();
    for (Source& source : sources_) {
      source.asked = false;
      source.arrived.clear();
    }
    if (channel_->receive(received_) == 0) return pause_.idle();
    pause_.worked();
    for (std::size_t i = 0; i < received_.size(); ++i) {
      const DpdkChannel::Origin origin = channel_->origins()[i];
      sources_[origin.source].arrived.push_back({origin.queue, received_[i]});
    }
  }

  std::unique_ptr<Eal> eal_;
  std::unique_ptr<DpdkChannel> channel_;
  const std::uint16_t queues_;
  const std::uint32_t window_bytes_;
  bool too_few_queues_ = false;
  PollPause pause_;
  std::vector<Source> sources_;
  std::vector<std::string_view> received_;
};

class SourceChannel final : public DatagramChannel {
 public:
  SourceChannel(std::shared_ptr<Device> device, std::uint16_t source)
      : device_(std::move(device)), source_(source) {}

  std::size_t room() override { return device_->room(); }
  void send(std::span<const OutDatagram> datagrams) override { device_->send(source_, datagrams); }
  void receive(std::vector<InDatagram>& datagrams) override {
    device_->receive(source_, datagrams);
  }
  // A device that is polled cannot be waited for.
  void wait(Nanos /*timeout*/) override { device_->pause(); }
  std::uint32_t window_bytes() const override { return device_->window_bytes(); }

 private:
  std::shared_ptr<Device> device_;
  std::uint16_t source_;
};

std::optional<Ipv4Address> parse_ipv4(const std::string& text) {
  in_addr parsed;
  if (::inet_pton(AF_INET, text.c_str(), &parsed) != 1) return {};
  Ipv4Address out;
  std::memcpy(out.data(), &parsed.s_addr, out.size());
  return out;
}

std::expected<DatagramChannels, std::string> open_device(const DpdkTarget& target,
                                                         DpdkChannel::Options options,
                                                         std::uint32_t count) {
  std::vector<std::string> arguments;
  std::istringstream words(target.arguments);
  for (std::string word; words >> word;) arguments.push_back(word);
  if (!target.vhost.empty()) {
    auto device = virtio_user_device(target.vhost, options.queues, options.address);
    if (!device) return std::unexpected(device.error());
    arguments.insert(arguments.end(), {"--vdev", std::move(*device)});
  }
  auto eal = Eal::start(arguments);
  if (!eal) return std::unexpected(eal.error());
  options.source_ports = static_cast<std::uint16_t>(count);
  auto channel = DpdkChannel::create(options);
  if (!channel) return std::unexpected(channel.error());
  const std::uint32_t window_bytes = target.vhost.empty() ? kWindowBytes / count : 0;
  const auto device = std::make_shared<Device>(std::move(*eal), std::move(*channel), options.queues,
                                               options.source_ports, window_bytes);
  DatagramChannels channels;
  for (std::uint16_t i = 0; i < options.source_ports; ++i) {
    channels.push_back(std::make_unique<SourceChannel>(device, i));
  }
  return channels;
}

}  // namespace

std::expected<OpenChannels, std::string> dpdk_channels(const DpdkTarget& target,
                                                       const Address& server) {
  const auto address = parse_ipv4(target.address);
  if (!address) {
    return std::unexpected(fmt::format("--dpdk-address={} is no IPv4 address", target.address));
  }
  const auto server_address = parse_ipv4(server.host);
  if (!server_address) {
    return std::unexpected(
        fmt::format("--server={} is no IPv4 address, as over DPDK it must be", server.host));
  }
  if (target.queues < 1 || target.queues > kQueuesMax) {
    return std::unexpected(
        fmt::format("--queues={} is out of range: 1 to {} is allowed", target.queues, kQueuesMax));
  }
  if (target.vhost.empty() && target.arguments.empty()) {
    return std::unexpected(
        "--protocol=dpdk needs --dpdk-vhost=PATH, the server's, or a device in --dpdk-args");
  }
  const DpdkChannel::Options options{.address = *address,
                                     .source_port = kSourcePort,
                                     .server_address = *server_address,
                                     .base_port = server.port,
                                     .queues = static_cast<std::uint16_t>(target.queues)};
  return [target, options](std::uint32_t /*thread*/, std::uint32_t count) {
    return open_device(target, options, count);
  };
}

}  // namespace minos
