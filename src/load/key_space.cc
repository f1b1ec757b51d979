#include "load/key_space.h"

#include <algorithm>

#include "base/check.h"
#include "base/prng.h"

namespace minos {
namespace {

constexpr double kTinyShare = 0.4;
constexpr std::uint32_t kValueStarts = 4096;

std::uint64_t scrambled(std::uint64_t seed, std::uint32_t index) {
  std::uint64_t state = seed + (static_cast<std::uint64_t>(index) << 20);
  return splitmix64(state);
}

// Maps 32 uniform bits to [low, high].
std::uint32_t between(std::uint64_t bits, std::uint32_t low, std::uint32_t high) {
  return low + static_cast<std::uint32_t>(((bits & 0xffffffff) * (high - low + 1ULL)) >> 32);
}

}  // namespace

KeySpace::KeySpace(const Options& options) : options_(options) {
  CHECK(std::uint64_t{options.keys} + options.large_keys + options.first_key <= 0xffffffffULL);
  std::uint32_t largest = std::max(kSmallBytesMax, options.value_bytes);
  if (options.large_keys > 0) largest = std::max(largest, options.large_bytes_max);
  pattern_.resize(largest + kValueStarts);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  Prng prng(options.seed);
  for (char& c : pattern_) c = kAlphabet[prng.next() >> 58];
}

KeySpace::Item KeySpace::item(std::uint32_t index) const {
  const std::uint64_t bits = scrambled(options_.seed, index);
  if (index >= options_.keys) {
    return {between(bits, options_.large_bytes_min, options_.large_bytes_max), LoadClass::kLarge};
  }
  if (const std::uint32_t fixed = options_.value_bytes; fixed != 0) {
    return {fixed, fixed <= kTinyBytesMax ? LoadClass::kTiny : LoadClass::kSmall};
  }
  if (static_cast<double>(bits >> 32) < kTinyShare * 0x1.0p32) {
    return {between(bits, 1, kTinyBytesMax), LoadClass::kTiny};
  }
  return {between(bits, kTinyBytesMax + 1, kSmallBytesMax), LoadClass::kSmall};
}

KeySpace::Key KeySpace::key(std::uint32_t index) const {
  Key out;
  std::uint32_t left = options_.first_key + index;
  for (std::size_t i = kKeyBytes; i-- > 0; left >>= 4) out[i] = "0123456789abcdef"[left & 15];
  return out;
}

std::string_view KeySpace::value(std::uint32_t index, std::uint32_t value_bytes) const {
  const std::size_t start = scrambled(~options_.seed, index) % kValueStarts;
  DCHECK(start + value_bytes <= pattern_.size());
  return {pattern_.data() + start, value_bytes};
}

}  // namespace minos
