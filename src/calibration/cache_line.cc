#include "calibration/cache_line.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <thread>

#include "base/units.h"

namespace minos {

namespace {

constexpr std::uint64_t kRoundTrips = 2000;
constexpr std::size_t kRounds = 51;

bool pin_to(std::uint32_t cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  return ::pthread_setaffinity_np(::pthread_self(), sizeof(cpus), &cpus) == 0;
}

}  // namespace

std::optional<double> measure_cache_line_ns(std::uint32_t cpu, std::uint32_t other_cpu) {
  if (cpu == other_cpu) return {};
  // Odd: it is the other's turn. The release store of one pairs with the acquire load of the other,
  // as between any two that share a line.
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> turn = 0;
  constexpr std::uint64_t kTurns = 2 * kRoundTrips * kRounds;
  std::atomic<bool> failed = false;
  const auto wait_for = [&](std::uint64_t value) {
    while (turn.load(std::memory_order_acquire) != value) {
      if (failed.load(std::memory_order_relaxed)) return;
    }
  };
  std::jthread other([&] {
    if (!pin_to(other_cpu)) failed = true;
    for (std::uint64_t mine = 1; mine < kTurns && !failed; mine += 2) {
      wait_for(mine);
      turn.store(mine + 1, std::memory_order_release);
    }
  });
  std::array<double, kRounds> each{};
  std::jthread first([&] {
    if (!pin_to(cpu)) failed = true;
    std::uint64_t mine = 0;
    for (double& ns : each) {
      const auto start = std::chrono::steady_clock::now();
      for (std::uint64_t i = 0; i < kRoundTrips && !failed; ++i, mine += 2) {
        wait_for(mine);
        turn.store(mine + 1, std::memory_order_release);
      }
      const std::chrono::duration<double, std::nano> took =
          std::chrono::steady_clock::now() - start;
      ns = took.count() / (2 * kRoundTrips);
    }
  });
  first.join();
  other.join();
  if (failed) return {};
  std::ranges::nth_element(each, each.begin() + kRounds / 2);
  return each[kRounds / 2];
}

}  // namespace minos
