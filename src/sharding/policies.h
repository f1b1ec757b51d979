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

}  // namespace minos
