#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/intrusive_list.h"
#include "base/limits.h"
#include "base/units.h"
#include "client/inbound_value.h"
#include "client/outbound_value.h"
#include "client/timer_wheel.h"
#include "wire/datagram.h"

namespace minos {

struct StateTag;
struct UnansweredTag;

// The value of a get, as far as it has come, and the ranges to ask for next.
struct Inbound {
  static constexpr std::size_t kAsksMax = 16;

  explicit Inbound(const Datagram& first, std::uint32_t asked_bytes) : value(first, asked_bytes) {}

  InboundValue value;
  std::array<InboundValue::Range, kAsksMax> asks{};
  std::size_t asks_next = 0;
  std::size_t asks_end = 0;
};

// The entries of a multi-get that have come so far.
struct InboundEntries {
  explicit InboundEntries(std::uint32_t keys) : here(keys, 1) {}

  FragmentMap here;
  std::string entries;
};

// One request of a DatagramSession, or room for one.
struct SessionSlot : ListHook<StateTag>, ListHook<UnansweredTag>, TimerHook {
  enum class State : std::uint8_t {
    kFree,
    kWaitsForToken,
    kWaitsForWrites,  // too many were sent to its queue since one that is unanswered
    kToSend,          // has something to send
    kSent,            // waits for replies, or for its timer
  };

  State state = State::kFree;
  DatagramOp op = DatagramOp::kNoop;
  std::uint8_t key_bytes = 0;
  bool sent = false;         // at least once, if only in part
  bool retry = false;        // what is sent next is one
  bool backing_off = false;  // refused, not sent again since
  bool was_refused = false;
  std::uint8_t attempts = 0;  // timers since the last progress
  std::uint8_t restarts = 0;
  std::uint8_t token_refusals = 0;
  QueueId queue;
  std::uint32_t id = 0;
  std::uint32_t generation = 0;    // of its reads, part of the id
  std::uint32_t write_number = 0;  // among the writes to its queue
  std::uint32_t asked_bytes = 0;   // first window
  std::uint32_t keys = 0;          // of a multi-get
  std::uint64_t token_used = 0;
  std::uint64_t tag = 0;
  std::uint64_t number = 0;
  std::uint32_t flags = 0;
  std::uint32_t expiry = 0;
  Nanos deadline{0};
  Nanos asked_at{0};  // when it began to wait for what comes next
  std::string_view value;
  std::unique_ptr<Inbound> inbound;
  std::unique_ptr<InboundEntries> entries;
  std::unique_ptr<OutboundValue> outbound;
  std::array<char, kKeyBytesMax> key;

  std::string_view key_view() const { return {key.data(), key_bytes}; }
};

}  // namespace minos
