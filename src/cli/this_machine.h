#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace minos {

// CPUs that this process may run on, ascending.
std::vector<std::uint32_t> usable_cpus();

// `given`, or the minosd beside this program. Error: a sentence that names the path.
std::expected<std::string, std::string> find_minosd(const std::string& given);

}  // namespace minos
