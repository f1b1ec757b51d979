#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/sim_time.h"

namespace minos {

// What is to happen, in order of time, and of being said where times are equal. One owner.
class EventQueue {
 public:
  enum class Kind : std::uint16_t { kArrival, kIngress, kCore, kEpoch, kTimeline };

  struct Event {
    Picos at = 0;
    std::uint64_t order = 0;
    Kind kind = Kind::kArrival;
    std::uint16_t core = 0;  // of kCore
  };

  void push(Picos at, Kind kind, std::uint16_t core = 0) {
    heap_.push_back({at, order_++, kind, core});
    std::ranges::push_heap(heap_, later);
    if (is_work(kind)) ++work_;
  }

  Event pop() {
    std::ranges::pop_heap(heap_, later);
    const Event event = heap_.back();
    heap_.pop_back();
    if (is_work(event.kind)) --work_;
    return event;
  }

  // Events that are more than the clock's.
  std::uint64_t work() const { return work_; }
  bool empty() const { return heap_.empty(); }

 private:
  static bool is_work(Kind kind) { return kind < Kind::kEpoch; }
  static bool later(const Event& a, const Event& b) {
    return a.at != b.at ? a.at > b.at : a.order > b.order;
  }

  std::vector<Event> heap_;
  std::uint64_t order_ = 0;
  std::uint64_t work_ = 0;
};

}  // namespace minos
