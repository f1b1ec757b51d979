#include "server/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace minos {

namespace {

std::unexpected<std::string> failure(const std::string& what) {
  return std::unexpected(fmt::format("{}: {}", what, std::strerror(errno)));
}

// `from_child` brings a byte when the child is ready and ends with it otherwise.
[[noreturn]] void exit_as(pid_t child, const Fd& from_child) {
  char ready = 0;
  ssize_t got = 0;
  do {
    got = ::read(from_child.get(), &ready, 1);
  } while (got < 0 && errno == EINTR);
  if (got == 1) ::_exit(0);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status)) ::_exit(WEXITSTATUS(status));  // having said why
  fmt::print(stderr, "minosd: the daemon was killed by signal {} before it served\n",
             WTERMSIG(status));
  ::_exit(1);
}

}  // namespace

std::expected<Fd, std::string> become_daemon() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failure("cannot become a daemon");
  const Fd from_child(ends[0]);
  Fd to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return failure("cannot become a daemon");
  if (child != 0) {
    to_parent = Fd();
    exit_as(child, from_child);
  }
  ::setsid();
  return to_parent;
}

std::expected<void, std::string> release_parent(Fd parent, bool keep_output) {
  const Fd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing) return failure("cannot open /dev/null");
  if (::chdir("/") != 0) return failure("cannot change to the directory /");
  const char ready = 1;
  // A parent that was killed meanwhile misses nothing.
  [[maybe_unused]] const ssize_t written = ::write(parent.get(), &ready, 1);
  ::dup2(nothing.get(), STDIN_FILENO);
  if (keep_output) return {};
  ::dup2(nothing.get(), STDOUT_FILENO);
  ::dup2(nothing.get(), STDERR_FILENO);
  return {};
}

bool runs_as_root() {
  return ::getuid() == 0 || ::geteuid() == 0;
}

std::expected<void, std::string> become_user(const std::string& user) {
  if (!runs_as_root()) return {};  // as memcached: only root changes
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
  const bool opened = file.is_open();
  file << ::getpid() << '\n';
  file.close();
  if (file) return {};
  const auto failed = failure(fmt::format("cannot write the pid file '{}'", path));
  if (opened) ::unlink(path.c_str());
  return failed;
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

OwnedFile::OwnedFile(const std::string& path) : path_(path) {
  std::error_code no_working_directory;
  const std::filesystem::path absolute = std::filesystem::absolute(path, no_working_directory);
  if (!no_working_directory) path_ = absolute;
}

OwnedFile::~OwnedFile() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

bool cpu_usable(std::uint32_t cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  if (::sched_getaffinity(0, sizeof cpus, &cpus) != 0) return false;
  return cpu < CPU_SETSIZE && CPU_ISSET(cpu, &cpus);
}

}  // namespace minos
