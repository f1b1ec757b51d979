#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bits.h"
#include "base/intrusive_list.h"
#include "base/units.h"

namespace minos {

struct TimerTag;

// What a TimerWheel holds derives from this; one timer each.
class TimerHook : public ListHook<TimerTag> {
 public:
  bool armed() const { return linked(); }

 private:
  template <typename T>
  friend class TimerWheel;
  Nanos at_{0};
  std::uint32_t bucket_ = 0;
};

// Timers that are set and put off for every request: both are O(1), and they fire late by up to
// kTick, never early. Owns nothing; disarm what is destroyed. No clock: time is a parameter.
template <typename T>
class TimerWheel {
 public:
  static constexpr Nanos kTick{1 << 19};

  // Replaces the timer that was set before.
  void arm(T& timer, Nanos at) {
    disarm(timer);
    const std::int64_t tick = (at.count() + kTick.count() - 1) / kTick.count();
    // Beyond the horizon it comes by once a turn, and is put back.
    const std::int64_t held = std::clamp(tick, tick_ + 1, tick_ + kBuckets - 1);
    timer.at_ = at;
    put(timer, static_cast<std::uint32_t>(held % kBuckets));
  }

  void disarm(T& timer) {
    if (!timer.armed()) return;
    const std::uint32_t bucket = timer.bucket_;
    list(bucket).remove(timer);
    --count_;
    if (bucket < kBuckets && buckets_[bucket].empty()) occupied(bucket, false);
  }

  // Calls fire(timer) for all that are due; they are disarmed by then, and it may arm and disarm.
  template <typename Fire>
  void advance(Nanos now, Fire fire) {
    const std::int64_t target = now.count() / kTick.count();
    if (count_ == 0) tick_ = std::max(tick_, target);
    tick_ = std::max(tick_, target - kBuckets);
    while (tick_ < target) {
      const auto bucket = static_cast<std::uint32_t>(++tick_ % kBuckets);
      while (!buckets_[bucket].empty()) {
        T& timer = buckets_[bucket].front();
        disarm(timer);
        put(timer, kBuckets);
      }
    }
    while (!due_.empty()) {
      T& timer = due_.front();
      disarm(timer);
      if (timer.at_ > now) {
        arm(timer, timer.at_);
      } else {
        fire(timer);
      }
    }
  }

  // When advance() is worth calling again; Nanos::max() when nothing is armed. May be too early.
  Nanos next() const {
    if (count_ == 0) return Nanos::max();
    const auto from = static_cast<std::uint32_t>((tick_ + 1) % kBuckets);
    std::uint32_t bucket = find_bit(words_.data(), true, from, kBuckets);
    if (bucket == kBuckets) bucket = find_bit(words_.data(), true, 0, from) + kBuckets;
    return Nanos((tick_ + 1 + bucket - from) * kTick.count());
  }

 private:
  static constexpr std::uint32_t kBuckets = 1024;
  using List = IntrusiveList<T, TimerTag>;

  List& list(std::uint32_t bucket) { return bucket == kBuckets ? due_ : buckets_[bucket]; }
  void put(T& timer, std::uint32_t bucket) {
    timer.bucket_ = bucket;
    list(bucket).push_back(timer);
    ++count_;
    if (bucket < kBuckets) occupied(bucket, true);
  }
  void occupied(std::uint32_t bucket, bool is) {
    const std::uint64_t bit = std::uint64_t{1} << (bucket % 64);
    words_[bucket / 64] = is ? words_[bucket / 64] | bit : words_[bucket / 64] & ~bit;
  }

  std::array<List, kBuckets> buckets_;
  List due_;  // empty outside of advance()
  std::array<std::uint64_t, kBuckets / 64> words_{};
  std::int64_t tick_ = 0;  // buckets up to this one have been emptied
  std::size_t count_ = 0;
};

}  // namespace minos
