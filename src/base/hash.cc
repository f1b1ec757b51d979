#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace minos {

std::uint64_t hash_key(std::string_view key) {
  return XXH3_64bits(key.data(), key.size());
}

}  // namespace minos
