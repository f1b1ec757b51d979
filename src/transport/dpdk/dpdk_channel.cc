#include "transport/dpdk/dpdk_channel.h"

#include <rte_config.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <chrono>
#include <cstring>
#include <thread>

#include "base/check.h"

namespace minos {
namespace {

constexpr auto kFindServerFor = std::chrono::seconds(2);
constexpr auto kAskEvery = std::chrono::milliseconds(5);

// Of one RX queue in a row, so that what is in one waits little for what is in the others.
constexpr std::size_t kQueueBurst = 16;

}  // namespace

std::expected<std::unique_ptr<DpdkChannel>, std::string> DpdkChannel::create(
    const Options& options) {
  if (options.source_port == 0 || options.source_ports == 0 ||
      options.source_port + options.source_ports - 1 > 65535 || options.base_port == 0 ||
      options.base_port + options.queues - 1 > 65535) {
    return std::unexpected("the UDP ports of a DPDK channel must lie in 1 to 65535");
  }
  std::unique_ptr<DpdkChannel> channel(new DpdkChannel(options));
  if (const auto opened = channel->open(); !opened) return std::unexpected(opened.error());
  if (const auto found = channel->find_server(); !found) return std::unexpected(found.error());
  return channel;
}

DpdkChannel::~DpdkChannel() {
  free_received();
}

std::expected<void, std::string> DpdkChannel::open() {
  const auto steering = make_direct_steering();
  auto eth = EthPort::open({.name = options_.name,
                            .queues = options_.queues,
                            .tx_descriptors = 1024,
                            .rx_buffers_used = kReceiveMax,
                            .tx_buffers_used = TxQueue::kBuffersUsed},
                           *steering);
  if (!eth) return std::unexpected(eth.error());
  eth_ = std::move(*eth);
  if (options_.mac) eth_->set_mac(*options_.mac);
  self_ = {.mac = eth_->mac(),
           .address = options_.address,
           .base_port = options_.source_port,
           .ports = options_.source_ports};
  writer_.emplace(self_.mac, self_.address);
  for (std::uint16_t queue = 0; queue < options_.queues; ++queue) {
    tx_.push_back(std::make_unique<TxQueue>(*eth_, queue, tx_counters_));
  }
  server_.address = mapped(options_.server_address);
  return {};
}

// A server that has just started is not ready to receive at once.
std::expected<void, std::string> DpdkChannel::find_server() {
  if (options_.server_mac) {
    server_.link = *options_.server_mac;
    return {};
  }
  std::array<char, kArpFrameBytes> request;
  write_arp_request(request.data(), self_, options_.server_address);
  const auto until = std::chrono::steady_clock::now() + kFindServerFor;
  while (std::chrono::steady_clock::now() < until) {
    send_frame({request.data(), request.size()});
    flush();
    std::this_thread::sleep_for(kAskEvery);
    for (std::uint16_t queue = 0; queue < options_.queues; ++queue) {
      free_received();
      const std::size_t n = burst(queue);
      for (std::size_t i = 0; i < n; ++i) {
        const std::string_view frame(rte_pktmbuf_mtod(received_[i], const char*),
                                     received_[i]->data_len);
        const auto mac = parse_arp_reply(frame, self_, options_.server_address);
        if (!mac) continue;
        server_.link = *mac;
        return {};
      }
    }
  }
  return std::unexpected("no server answers for its address on the DPDK device");
}

void DpdkChannel::use_source(std::uint16_t source) {
  CHECK(source < self_.ports);
  source_ = source;
}

bool DpdkChannel::send(QueueId queue, std::string_view front, std::string_view payload) {
  const std::size_t bytes = front.size() + payload.size();
  CHECK(queue.value < tx_.size() && bytes <= kDatagramBytesMax);
  TxQueue& tx = *tx_[queue.value];
  char* frame = tx.room(TxQueue::Kind::kSmall);
  if (frame == nullptr) return false;
  server_.port = static_cast<std::uint16_t>(options_.base_port + queue.value);
  writer_->write(frame, server_, static_cast<std::uint16_t>(self_.base_port + source_), bytes);
  std::memcpy(frame + kFrameFrontBytes, front.data(), front.size());
  std::memcpy(frame + kFrameFrontBytes + front.size(), payload.data(), payload.size());
  tx.commit(kFrameFrontBytes + bytes);
  return true;
}

bool DpdkChannel::send_frame(std::string_view frame) {
  CHECK(frame.size() <= kFrameBytesMax);
  char* to = tx_.front()->room(TxQueue::Kind::kSmall);
  if (to == nullptr) return false;
  std::memcpy(to, frame.data(), frame.size());
  tx_.front()->commit(frame.size());
  return true;
}

void DpdkChannel::flush() {
  for (const auto& tx : tx_) tx->flush();
}

std::size_t DpdkChannel::room() const {
  std::size_t least = TxQueue::kPendingMax;
  for (const auto& tx : tx_) least = std::min(least, tx->free());
  return least;
}

std::size_t DpdkChannel::burst(std::uint16_t queue) {
  const auto wanted = std::min(kQueueBurst, kReceiveMax - received_count_);
  const std::size_t n = rte_eth_rx_burst(eth_->id(), queue, received_.data() + received_count_,
                                         static_cast<std::uint16_t>(wanted));
  received_count_ += n;
  return n;
}

std::size_t DpdkChannel::receive(std::vector<std::string_view>& datagrams) {
  free_received();
  origins_.clear();
  for (std::uint16_t i = 0; i < options_.queues && received_count_ < kReceiveMax; ++i) {
    const std::size_t first = received_count_;
    burst(next_queue_);
    next_queue_ = static_cast<std::uint16_t>((next_queue_ + 1) % options_.queues);
    for (std::size_t k = first; k < received_count_; ++k) take(received_[k], datagrams);
  }
  return origins_.size();
}

void DpdkChannel::take(rte_mbuf* frame, std::vector<std::string_view>& datagrams) {
  const std::string_view bytes(rte_pktmbuf_mtod(frame, const char*), frame->data_len);
  const auto parsed = parse_frame(bytes, self_, {});
  const auto queue =
      parsed ? static_cast<std::uint16_t>(parsed->port - options_.base_port) : options_.queues;
  if (!parsed || queue >= options_.queues ||
      std::memcmp(parsed->address, options_.server_address.data(), sizeof(Ipv4Address)) != 0) {
    ++strangers_;
    last_stranger_ = bytes;
    return;
  }
  datagrams.push_back(parsed->payload);
  origins_.push_back({QueueId{queue}, parsed->queue.value});
}

void DpdkChannel::free_received() {
  rte_pktmbuf_free_bulk(received_.data(), static_cast<unsigned>(received_count_));
  received_count_ = 0;
  last_stranger_ = {};
}

}  // namespace minos
