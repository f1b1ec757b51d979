#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"
#include "sim/sim_time.h"

namespace minos {

// A request that is under way, from when it was due until its reply is at the client.
struct SimRequest {
  Picos due = 0;
  Picos service = 0;         // what it takes a core alone
  Picos charged = 0;         // of it, in the ideal profile, so far
  std::uint64_t number = 0;  // in order of arrival
  std::uint32_t id = 0;      // on the wire; 0: no request
  std::uint32_t key = 0;
  std::uint32_t value_bytes = 0;
  std::uint32_t reply_left = 0;      // bytes of value that are still to come to the client
  std::uint32_t fragments = 1;       // that it is sent in
  std::uint32_t write_number = 0;    // of a set, among those of its client to its queue
  std::uint32_t fragments_done = 0;  // of them, taken by the core that puts them together
  std::uint16_t client = 0;
  std::uint16_t queue = 0;
  bool set = false;
  bool large = false;
  bool counted = false;    // in the result
  bool answered = true;    // its reply takes part of the bandwidth
  bool lost = false;       // a part of it
  bool looked_up = false;  // by the core that has it, if it is one packet
};

// Requests under way by the number that they have on the wire. One owner.
class RequestTable {
 public:
  static constexpr std::uint32_t kSlotBits = 20;
  static constexpr std::uint32_t kRequestsMax = (1U << kSlotBits) - 1;

  // nullptr when kRequestsMax are under way.
  SimRequest* add() {
    if (free_count_ == 0 && !grow()) return nullptr;
    const std::uint32_t slot = first_free_;
    Slot& s = slots_[slot];
    first_free_ = s.next_free;
    --free_count_;
    const std::uint32_t round = (s.request.id >> kSlotBits) + 1;
    s.request = SimRequest();
    s.request.id = round << kSlotBits | slot;
    s.used = true;
    return &s.request;
  }

  // nullptr when it is over.
  SimRequest* find(std::uint32_t id) {
    Slot& s = slots_[id & kRequestsMax];
    return s.used && s.request.id == id ? &s.request : nullptr;
  }

  // The longest unused are used first.
  void remove(SimRequest& request) {
    const std::uint32_t slot = request.id & kRequestsMax;
    DCHECK(slots_[slot].used);
    slots_[slot].used = false;
    append_free(slot);
  }

  std::uint64_t size() const { return slots_.size() - free_count_; }

  template <typename Visit>
  void for_each(Visit visit) const {
    for (const Slot& s : slots_) {
      if (s.used) visit(s.request);
    }
  }

 private:
  static constexpr std::size_t kFirstSlots = 1U << 14;

  struct Slot {
    SimRequest request;
    std::uint32_t next_free = 0;
    bool used = false;
  };

  void append_free(std::uint32_t slot) {
    if (free_count_ == 0) {
      first_free_ = slot;
    } else {
      slots_[last_free_].next_free = slot;
    }
    last_free_ = slot;
    ++free_count_;
  }

  bool grow() {
    const std::size_t before = slots_.size();
    if (before > kRequestsMax) return false;
    slots_.resize(before == 0 ? kFirstSlots : before * 2);
    for (std::size_t i = before; i < slots_.size(); ++i) {
      append_free(static_cast<std::uint32_t>(i));
    }
    return true;
  }

  std::vector<Slot> slots_;
  std::uint32_t first_free_ = 0;
  std::uint32_t last_free_ = 0;
  std::size_t free_count_ = 0;
};

}  // namespace minos
