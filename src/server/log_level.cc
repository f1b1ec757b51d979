#include "server/log_level.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>

namespace minos {

namespace {

std::atomic<std::uint32_t> current_level{0};  // relaxed: shown, never decided upon

}  // namespace

void set_log_level(std::uint32_t level) {
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::warn, spdlog::level::info,
                                                   spdlog::level::debug, spdlog::level::trace};
  level = std::min<std::uint32_t>(level, 3);
  current_level.store(level, std::memory_order_relaxed);
  spdlog::set_level(kLevels[level]);
}

std::uint32_t log_level() {
  return current_level.load(std::memory_order_relaxed);
}

}  // namespace minos
