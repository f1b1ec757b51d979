#include "server/process.h"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace minos {

namespace {

std::unexpected<std::string> failure(const std::string& what) {
  return std::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

std::expected<void, std::string> become_daemon(bool keep_output) {
  if (::daemon(0, keep_output ? 1 : 0) != 0) return failure("cannot become a daemon");
  return {};
}

std::expected<void, std::string> become_user(const std::string& user) {
  if (::getuid() != 0 && ::geteuid() != 0) return {};  // as memcached: only root changes
  errno = 0;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) {
    return std::unexpected(fmt::format("cannot find the user '{}' to switch to", user));
  }
  if (::initgroups(user.c_str(), entry->pw_gid) != 0 || ::setgid(entry->pw_gid) != 0 ||
      ::setuid(entry->pw_uid) != 0) {
    return failure(fmt::format("cannot become user '{}'", user));
  }
  return {};
}

std::expected<void, std::string> write_pidfile(const std::string& path) {
  std::ofstream file(path, std::ios::trunc);
  file << ::getpid() << '\n';
  file.close();
  if (!file) return failure(fmt::format("cannot write the pid file '{}'", path));
  return {};
}

std::expected<void, std::string> raise_descriptor_limit(std::uint64_t wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return failure("cannot read the descriptor limit");
  if (limit.rlim_cur >= wanted) return {};
  limit.rlim_cur = wanted;
  limit.rlim_max = std::max<rlim_t>(limit.rlim_max, wanted);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return failure(fmt::format(
        "cannot raise the limit of open files to {}; start as root or lower --conn-limit", wanted));
  }
  return {};
}

std::expected<void, std::string> lock_memory() {
  if (::mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
    return failure("cannot lock memory (--lock-memory)");
  }
  return {};
}

bool cpu_usable(std::uint32_t cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0) return false;
  return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &cpus);
}

}  // namespace minos
