#include "cli/this_machine.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

namespace minos {

std::vector<std::uint32_t> usable_cpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<std::uint32_t> cpus;
  if (::sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return cpus;
  for (std::uint32_t cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

std::expected<std::string, std::string> find_minosd(const std::string& given) {
  std::string path = given;
  if (path.empty()) {
    std::error_code failed;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", failed);
    path = (self.parent_path() / "minosd").string();
  }
  if (::access(path.c_str(), X_OK) == 0) return path;
  return std::unexpected(
      fmt::format("there is no program {}: --minosd=PATH says where minosd is", path));
}

}  // namespace minos
