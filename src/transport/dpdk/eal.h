#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace minos {

// DPDK's environment: memory, devices, its own control threads. One per process, which may not be
// started a second time, not even after it has ended. Everything else of this folder must be gone
// before it is.
class Eal {
 public:
  // `arguments` as in EalOptions. The calling thread keeps its CPUs; EAL starts no thread that does
  // our work. Errors: sentences; what DPDK has to say itself goes to its log, standard error.
  static std::expected<std::unique_ptr<Eal>, std::string> start(
      const std::vector<std::string>& arguments);
  ~Eal();

 private:
  Eal() = default;
};

// Makes the calling thread known to EAL, so that it has caches of buffers of its own, until it is
// destroyed on the same thread. Threads without work too, but take every buffer from the shared
// pool. Pin the thread first. At most 127 threads at a time.
//
// Why not let EAL start the threads: it would take over where they run, when they end and what they
// run, and a worker of this plane would be another thing than one of any other.
class EalThread {
 public:
  EalThread();
  ~EalThread();
  EalThread(const EalThread&) = delete;
  EalThread& operator=(const EalThread&) = delete;

  bool registered() const { return registered_; }

 private:
  bool registered_ = false;
};

// Removes the socket at this path if nobody listens on it any more: DPDK's vhost does not replace
// what another server left behind. Errors: somebody listens, or it is no socket.
std::expected<void, std::string> remove_stale_socket(const std::string& path);

}  // namespace minos
