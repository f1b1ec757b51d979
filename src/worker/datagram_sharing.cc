// How requests come to be executed by another core than the one that received them.

#include <algorithm>
#include <array>
#include <utility>

#include "worker/datagram_engine.h"
#include "worker/idle_workers.h"
#include "worker/step_observer.h"

namespace minos {

namespace {

// Requests taken from a queue that is shared, by its core and by thieves: any of them may be long,
// and what was taken with it waits.
constexpr std::size_t kTakenTogether = 4;

// A core that sleeps is worth waking for so many.
constexpr std::size_t kWorthWaking = 12;

}  // namespace

// An idle core that sleeps is told that there is something to take.
void DatagramEngine::wake_thief() {
  for (std::uint16_t i = 0; i < plan_->core_count(); ++i) {
    const CoreId core{i};
    if (core == config_.self || !mesh_.sleeps(core)) continue;
    const RxShare share = policy_.steal_share(core, config_.self, config_.burst_requests, *plan_);
    if (share.requests_max == 0) continue;
    return waker_.wake(core);
  }
}

void DatagramEngine::dispatch(std::span<const RxPacket> packets) {
  for (const RxPacket& packet : packets) {
    KeptPacket kept = port(packet.peer).keep(packet);
    if (!kept) {
      stats_.add(Counter::kDatagramsDropped);
      continue;
    }
    dispatch_.push_back(std::move(kept));
  }
  feed_workers();
}

// Late binding: a request waits here until some worker has nothing else to do.
void DatagramEngine::feed_workers() {
  while (!dispatch_.empty()) {
    const auto worker = claim_worker(mesh_, *plan_, config_.self);
    if (!worker) return;
    PacketMessage message = ForwardedRequest{std::move(dispatch_.front())};
    dispatch_.pop_front();
    forward(std::move(message), *worker);
  }
}

// Work stealing: what was received is put where idle cores find it, and taken from there little by
// little, a burst in all.
std::uint32_t DatagramEngine::run_shared(std::span<const RxPacket> packets) {
  StealQueue& own = shared_.received[config_.self.value];
  for (const RxPacket& packet : packets) {
    KeptPacket kept = port(packet.peer).keep(packet);
    if (!kept || !own.push(kept)) stats_.add(Counter::kDatagramsDropped);
  }
  if (packets.size() >= kWorthWaking) wake_thief();
  std::uint32_t executed = 0;
  while (!must_finish_ && executed < config_.burst_requests) {
    const std::uint32_t run = take_shared(own);
    if (run == 0) break;
    executed += run;
  }
  return executed == 0 && large_.empty() ? steal() : executed;
}

std::uint32_t DatagramEngine::take_shared(StealQueue& queue) {
  std::array<KeptPacket, kTakenTogether> taken;
  std::array<Incoming, kTakenTogether> batch;
  const std::size_t together = std::min<std::size_t>(kTakenTogether, config_.burst_requests);
  const std::size_t count = queue.take(std::span(taken).first(together));
  const bool stolen = &queue != &shared_.received[config_.self.value];
  if (stolen && count != 0 && config_.observer != nullptr) {
    config_.observer->stealing(static_cast<std::uint32_t>(count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    batch[i] = {&taken[i].peer(), taken[i].bytes(), nullptr, &taken[i], false, false};
  }
  if (count != 0) run_batch(std::span(batch).first(count));
  return static_cast<std::uint32_t>(count);
}

std::uint32_t DatagramEngine::steal() {
  const std::size_t workers = shared_.received.size();
  for (std::size_t i = 1; i < workers; ++i) {
    const std::uint32_t run = take_shared(shared_.received[(config_.self.value + i) % workers]);
    if (run == 0) continue;
    stats_.add(Counter::kStolen, run);
    return run;
  }
  return 0;
}

}  // namespace minos
