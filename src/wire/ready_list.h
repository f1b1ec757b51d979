#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "wire/stream.h"

namespace minos {

// A transport's streams that are readable and not read yet, in the order they became so. A stream
// is in it at most once, and is removed before it is detached.
class ReadyList {
 public:
  bool empty() const { return streams_.empty(); }

  void push(Stream& stream) {
    Stream::Route& route = stream.transport_route();
    if (route.queued) return;
    route.queued = true;
    streams_.push_back(&stream);
  }

  void remove(Stream& stream) {
    Stream::Route& route = stream.transport_route();
    if (!route.queued) return;
    route.queued = false;
    streams_.erase(std::find(streams_.begin(), streams_.end(), &stream));
  }

  // What one receive() reads: as many streams as the plan says, each through `read(stream,
  // bytes_max)`, which pushes those that have more; then the large one under its own bound.
  template <typename Read>
  void drain(const RxPlan& plan, Rx& rx, Read read) {
    const std::size_t due = std::min<std::size_t>(streams_.size(), plan.streams_max);
    for (std::size_t i = 0; i < due; ++i) {
      Stream& stream = *streams_.front();
      streams_.pop_front();
      stream.transport_route().queued = false;
      if (&stream != plan.large) read(stream, ~std::uint64_t{0});
    }
    if (plan.large != nullptr && plan.large->route().readable) read(*plan.large, plan.large_bytes);
    rx.backlog = static_cast<std::uint32_t>(streams_.size());
  }

 private:
  std::deque<Stream*> streams_;
};

}  // namespace minos
