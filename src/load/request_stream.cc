#include "load/request_stream.h"

namespace minos {

LoadRequest RequestStream::next() {
  const KeySpace::Options& keys = space_.options();
  const bool large = options_.large_share > 0 && prng_.uniform() < options_.large_share;
  const LoadOp op = prng_.uniform() < options_.get_share ? LoadOp::kGet : LoadOp::kSet;
  const std::uint64_t key =
      large ? keys.keys + prng_.below(keys.large_keys) : scramble_(popularity_.draw(prng_));
  return request_for(space_, static_cast<std::uint32_t>(key), op);
}

}  // namespace minos
