#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "base/limits.h"
#include "base/units.h"
#include "worker/mesh.h"

namespace minos {

// Collects, during a step, which sleeping cores were given work and are to be woken after it.
class Waker {
 public:
  using Cores = std::array<std::uint64_t, kWorkersMax / 64>;  // bit i: core i

  explicit Waker(Mesh& mesh) : mesh_(mesh) {}

  // After a push to a ring of `core`.
  void wake(CoreId core) {
    if (!mesh_.must_wake(core)) return;
    cores_[core.value / 64] |= std::uint64_t{1} << (core.value % 64);
    any_ = true;
  }

  bool any() const { return any_; }
  Cores take() {
    any_ = false;
    return std::exchange(cores_, {});
  }

 private:
  Mesh& mesh_;
  Cores cores_{};
  bool any_ = false;
};

}  // namespace minos
