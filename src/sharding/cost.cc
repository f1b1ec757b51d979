#include "sharding/cost.h"

#include <algorithm>

namespace minos {

std::uint64_t request_cost(CostUnit unit, std::uint64_t value_bytes) {
  const std::uint64_t bytes = std::max<std::uint64_t>(value_bytes, 1);
  if (unit == CostUnit::kBytes) return bytes;
  return (bytes - 1) / kPacketPayloadBytes + 1;
}

}  // namespace minos
