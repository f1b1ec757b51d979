#pragma once

#include "base/units.h"

namespace minos {

// Monotonic time for what happens within a step; a simulator's may stand still.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Nanos now() const = 0;
};

}  // namespace minos
