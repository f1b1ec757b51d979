#pragma once

#include <cstdint>
#include <optional>

namespace minos {

// Nanoseconds for which a core waits for a line that another core has just written, by two threads
// that pass one to and fro, pinned to these CPUs. Nothing when one of them cannot be had.
std::optional<double> measure_cache_line_ns(std::uint32_t cpu, std::uint32_t other_cpu);

}  // namespace minos
