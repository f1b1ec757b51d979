#include "cli/dpdk_sources.h"

#include <fmt/format.h>

#include <cstdio>
#include <span>
#include <utility>

#include "transport/dpdk/poll_pause.h"

namespace minos {
namespace {

// Shared by the channels of its source ports. One thread at a time.
class Device {
 public:
  Device(std::unique_ptr<DpdkChannel> channel, const DpdkSources& options)
      : eal_(options.eal),
        device_(options.device),
        channel_(std::move(channel)),
        queues_(options.queues),
        window_bytes_(options.window_bytes),
        sources_(options.source_ports) {}

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

  void pause() { pause_.after_round(false); }

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
    if (channel_->receive(received_) == 0) return pause();
    pause_.after_round(true);
    for (std::size_t i = 0; i < received_.size(); ++i) {
      const DpdkChannel::Origin origin = channel_->origins()[i];
      sources_[origin.source].arrived.push_back({origin.queue, received_[i]});
    }
  }

  const std::shared_ptr<Eal> eal_;               // outlives the device
  const std::shared_ptr<VirtualDevice> device_;  // outlives the channel
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

}  // namespace

DatagramChannels share_among_sources(std::unique_ptr<DpdkChannel> channel,
                                     const DpdkSources& options) {
  const auto device = std::make_shared<Device>(std::move(channel), options);
  DatagramChannels channels;
  for (std::uint16_t i = 0; i < options.source_ports; ++i) {
    channels.push_back(std::make_unique<SourceChannel>(device, i));
  }
  return channels;
}

}  // namespace minos
