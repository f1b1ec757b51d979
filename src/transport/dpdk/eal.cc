#include "transport/dpdk/eal.h"

#include <rte_config.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_lcore.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "transport/dpdk/eal_arguments.h"

namespace minos {
namespace {

bool huge_pages_free() {
  std::ifstream meminfo("/proc/meminfo");
  std::string name;
  while (meminfo >> name) {
    long count = 0;
    if (name == "HugePages_Free:" && meminfo >> count) return count > 0;
  }
  return false;
}

std::vector<unsigned> cpus_of(const cpu_set_t& set) {
  std::vector<unsigned> cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace

std::expected<std::unique_ptr<Eal>, std::string> Eal::start(
    const std::vector<std::string>& arguments) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) {
    return std::unexpected(std::string("DPDK: sched_getaffinity: ") + std::strerror(errno));
  }
  auto all = eal_arguments(
      {.arguments = arguments, .cpus = cpus_of(allowed), .huge_pages_free = huge_pages_free()});
  if (!all) return std::unexpected(all.error());

  // Relaxed: only one caller may see false; nothing else is published by it.
  static std::atomic<bool> started{false};
  if (started.exchange(true, std::memory_order_relaxed)) {
    return std::unexpected("DPDK can be started only once in a process");
  }
  std::vector<char*> pointers;
  for (std::string& argument : *all) pointers.push_back(argument.data());
  const int rc = rte_eal_init(static_cast<int>(pointers.size()), pointers.data());
  const int error = rte_errno;
  ::sched_setaffinity(0, sizeof allowed, &allowed);
  if (rc < 0) return std::unexpected(std::string("DPDK does not start: ") + rte_strerror(error));
  return std::unique_ptr<Eal>(new Eal);
}

Eal::~Eal() {
  rte_eal_cleanup();
}

EalThread::EalThread() {
  if (rte_lcore_id() == LCORE_ID_ANY) registered_ = rte_thread_register() == 0;
}

EalThread::~EalThread() {
  if (registered_) rte_thread_unregister();
}

std::expected<void, std::string> remove_stale_socket(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return {};
    return std::unexpected(path + ": " + std::strerror(errno));
  }
  if (!S_ISSOCK(status.st_mode)) return std::unexpected(path + " is there and is no socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return std::unexpected(path + ": path too long");
  std::memcpy(address.sun_path, path.c_str(), path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return std::unexpected(std::string("socket: ") + std::strerror(errno));
  const int rc = ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  const bool stale = rc != 0 && errno == ECONNREFUSED;
  ::close(fd);
  if (!stale) return std::unexpected(path + " is in use by another server");
  if (::unlink(path.c_str()) != 0) {
    return std::unexpected(path + ": " + std::strerror(errno));
  }
  return {};
}

}  // namespace minos
