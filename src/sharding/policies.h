#pragma once

#include <memory>

#include "sharding/policy.h"

// The policies, one file each; for make_policy() only.
namespace minos {

std::unique_ptr<const Policy> make_key_hash();
std::unique_ptr<const Policy> make_size_aware();
std::unique_ptr<const Policy> make_elastic();
std::unique_ptr<const Policy> make_software_handoff();
std::unique_ptr<const Policy> make_work_stealing();

// Whether large work that shares its core with small requests may have a quantum now: see
// kBurstsPerQuantum. The burst just served counts.
constexpr bool large_turn(const LoadFacts& load) {
  return load.small_waiting == 0 || load.bursts_since_quantum + 1 >= kBurstsPerQuantum;
}

}  // namespace minos
