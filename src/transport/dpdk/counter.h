#pragma once

#include <atomic>
#include <cstdint>

namespace minos {

// Counts what one thread does; any thread reads. Relaxed: a number by itself, it publishes nothing.
class Counter {
 public:
  void add(std::uint64_t n) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

}  // namespace minos
