#include "transport/network.h"

#include <utility>

namespace minos {

std::expected<std::unique_ptr<Network>, std::string> Network::create(std::vector<Plane> planes) {
  auto poller = Poller::create();
  if (!poller) return std::unexpected(poller.error());
  return std::unique_ptr<Network>(new Network(std::move(*poller), std::move(planes)));
}

Network::Network(std::unique_ptr<Poller> poller, std::vector<Plane> planes)
    : poller_(std::move(poller)), streams_(*poller_), planes_(std::move(planes)) {
  for (const Plane& plane : planes_) can_sleep_ = can_sleep_ && plane.sleeper != nullptr;
}

bool Network::take_datagrams(const RxPlan& plan, Rx& rx) {
  for (const Plane& plane : planes_) take_from(plane, plan.queues, rx);
  for (std::size_t i = 0; i < plan.steal_queues.size() && rx.packets.empty(); ++i) {
    for (const Plane& plane : planes_) {
      if (plan.steal_polled_only && plane.sleeper != nullptr) continue;
      take_from(plane, plan.steal_queues.subspan(i, 1), rx);
      rx.stolen = !rx.packets.empty();
      if (rx.stolen) break;
    }
  }
  return !rx.packets.empty();
}

// Packets of one queue lie together.
void Network::take_from(const Plane& plane, std::span<const RxQueueQuota> queues, Rx& rx) {
  std::size_t at = rx.packets.size();
  plane.port->receive(queues, rx.packets, rx.queues_full);
  std::size_t brought = at < rx.packets.size() ? 1 : 0;
  while (++at < rx.packets.size()) {
    if (rx.packets[at].peer.queue != rx.packets[at - 1].peer.queue) ++brought;
  }
  rx.queues_empty += static_cast<std::uint32_t>(queues.size() - brought);
}

void Network::receive(const RxPlan& plan, Rx& rx) {
  const bool at_hand = streams_.has_ready(plan) || plan.large != nullptr || !rx.packets.empty();
  const Nanos block = at_hand || !can_sleep_ ? Nanos(0) : plan.block;
  std::span<const epoll_event> events;
  if (!may_skip_poll(rx)) {
    const Nanos until = block == Nanos(0) ? block : prepare_sleep(plan, block);
    events = poller_->wait(until);
    if (until != Nanos(0)) take_datagrams(plan, rx);
  }
  streams_.receive(plan, events, rx);
}

// While datagrams flow, or may at any moment.
bool Network::may_skip_poll(const Rx& rx) {
  ++rounds_since_poll_;
  const bool flowing = !rx.packets.empty() || !can_sleep_;
  if (flowing && rounds_since_poll_ < kRoundsBetweenPolls &&
      rx.arrived - polled_ < kTimeBetweenPolls) {
    return true;
  }
  rounds_since_poll_ = 0;
  polled_ = rx.arrived;
  return false;
}

Nanos Network::prepare_sleep(const RxPlan& plan, Nanos block) {
  for (const Plane& plane : planes_) {
    block = plane.sleeper->prepare_sleep(*poller_, plan.queues, block);
    if (block == Nanos(0)) break;
  }
  return block;
}

void Network::send(Tx& tx) {
  streams_.send(tx);
  for (const Plane& plane : planes_) plane.port->flush();
}

}  // namespace minos
