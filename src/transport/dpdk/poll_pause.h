#pragma once

#include <sched.h>

#include <cstdint>

namespace minos {

// What a thread that polls does after a round without work. A plane that is polled has no wake-up
// that one could sleep for; but where there are more threads than CPUs, the one that has work may
// be waiting for the CPU that this one spins on. Used by one thread.
class PollPause {
 public:
  // Rounds without work after which a thread lets others run, if any want to: a few microseconds.
  static constexpr std::uint32_t kRoundsBeforeYield = 16;

  // True: it has offered the CPU to others. Returns at once where none wants it.
  bool after_round(bool worked) {
    if (worked) {
      rounds_ = 0;
      return false;
    }
    if (rounds_ < kRoundsBeforeYield) {
      ++rounds_;
      return false;
    }
    ::sched_yield();
    return true;
  }

 private:
  std::uint32_t rounds_ = 0;
};

}  // namespace minos
