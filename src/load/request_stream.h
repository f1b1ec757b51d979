#pragma once

#include <cstdint>

#include "base/prng.h"
#include "load/key_space.h"
#include "load/zipf.h"

namespace minos {

enum class LoadOp : std::uint8_t { kGet, kSet };

struct LoadRequest {
  std::uint32_t key = 0;          // index in the key space
  std::uint32_t value_bytes = 0;  // of the key: what a SET sends and a GET should bring
  LoadOp op = LoadOp::kGet;
  LoadClass size_class = LoadClass::kTiny;
};

inline LoadRequest request_for(const KeySpace& space, std::uint32_t key, LoadOp op) {
  const KeySpace::Item item = space.item(key);
  return {.key = key, .value_bytes = item.value_bytes, .op = op, .size_class = item.size_class};
}

// An endless sequence of requests: a share of them large, with large keys drawn uniformly; the
// others zipf over the non-large keys. Deterministic under its seed, constant time per request.
class RequestStream {
 public:
  struct Options {
    double large_share = 0;  // of all requests, in [0, 1]; needs large keys where > 0
    double get_share = 1;    // in [0, 1]; the rest are SETs
    double zipf_theta = 0;   // >= 0
    std::uint64_t seed = 0;  // of the sequence; which keys are popular follows the key space's
  };

  RequestStream(const KeySpace& space, const Options& options)
      : space_(space),
        options_(options),
        prng_(options.seed),
        popularity_(space.options().keys, options.zipf_theta),
        scramble_(space.options().keys, space.options().seed) {}

  LoadRequest next();

  // From the next request on; in [0, 1].
  void set_large_share(double share) { options_.large_share = share; }

 private:
  const KeySpace& space_;
  Options options_;
  Prng prng_;
  Zipf popularity_;
  Scramble scramble_;
};

}  // namespace minos
