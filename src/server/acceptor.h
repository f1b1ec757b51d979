#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sharding/policy.h"
#include "transport/tcp/socket.h"
#include "worker/clock.h"
#include "worker/connection_registry.h"
#include "worker/mesh.h"
#include "worker/plan_board.h"

namespace minos {

// Accepts connections and gives each to the worker with the fewest, among those that serve small
// requests: spread evenly, whatever the kernel's listen hash would do. One thread, which it never
// blocks: while descriptors have run out, or no worker has room for one more connection, further
// ones wait in the listen backlog.
class Acceptor {
 public:
  struct Shared {
    Mesh& mesh;
    const PlanBoard& plans;
    const Policy& policy;
    const Clock& clock;
    ConnectionRegistry& registry;
    std::uint64_t item_bytes_max;
  };

  static std::expected<std::unique_ptr<Acceptor>, std::string> create(
      const Shared& shared, std::vector<Fd> listeners, std::function<void(CoreId)> wake);
  ~Acceptor();

  // Readable while there is something to do.
  int descriptor() const { return epoll_.get(); }
  // Does it, at most kAcceptsPerWake times a listener.
  void accept_some();

 private:
  Acceptor(const Shared& shared, std::vector<Fd> listeners, std::function<void(CoreId)> wake);

  bool watch_all();
  bool watch_listeners(int operation, bool on);
  void pause();
  bool resume();
  void complain(const std::string& why);
  Mesh::Message admit(Fd socket);
  bool give_pending();
  bool give_pending_to(CoreId core);
  CoreId choose(const CorePlan& plan) const;

  Shared shared_;
  std::vector<Fd> listeners_;
  std::function<void(CoreId)> wake_;
  Fd epoll_;
  Fd retry_timer_;
  bool paused_ = false;
  Mesh::Message pending_;    // accepted, and no worker had room for it
  Nanos last_complaint_{0};  // 0 = none yet
};

}  // namespace minos
