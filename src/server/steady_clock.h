#pragma once

#include <chrono>

#include "worker/clock.h"

namespace minos {

// The machine's clocks, counted from the start of the program.
class SteadyClock final : public Clock {
 public:
  Nanos now() const override {
    // From one second on, so that no point in time is mistaken for "none" (0).
    return std::chrono::steady_clock::now() - start_ + std::chrono::seconds(1);
  }

  static UnixSeconds unix_now() {
    return static_cast<UnixSeconds>(
        std::chrono::system_clock::to_time_t(std::chrono::system_clock::now()));
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace minos
