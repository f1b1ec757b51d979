#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "sharding/policy.h"
#include "transport/tcp/socket.h"
#include "worker/connection_registry.h"
#include "worker/mesh.h"
#include "worker/plan_board.h"

namespace minos {

// Accepts connections and gives each to the worker with the fewest, among those that serve small
// requests: spread evenly, whatever the kernel's listen hash would do. One thread.
class Acceptor {
 public:
  struct Shared {
    Mesh& mesh;
    const PlanBoard& plans;
    const Policy& policy;
    ConnectionRegistry& registry;
    std::uint64_t item_bytes_max;
  };

  Acceptor(const Shared& shared, std::vector<Fd> listeners, std::function<void(CoreId)> wake);

  // Registers the listeners with the caller's epoll, each with `tag` as its data.
  bool watch(int epoll, std::uint64_t tag);
  // Accepts all that wait.
  void accept_all();

  const std::vector<Fd>& listeners() const { return listeners_; }

 private:
  void give(Fd socket);
  CoreId choose() const;

  Shared shared_;
  std::vector<Fd> listeners_;
  std::function<void(CoreId)> wake_;
};

}  // namespace minos
