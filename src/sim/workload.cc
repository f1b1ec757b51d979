#include "sim/workload.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include "base/check.h"
#include "load/zipf.h"
#include "sharding/cost.h"

namespace minos {

namespace {

// What all large values together take at most; and all values of given sizes, unless one of each
// takes more.
constexpr std::uint64_t kLargeBytesTotal = 256 * kMiB;
constexpr std::uint64_t kGivenBytesTotal = 64 * kMiB;

// Keys of one given size: enough that nothing happens to be in one bucket or on one queue.
constexpr std::uint32_t kKeysOfSizeMax = 1000;

// The choice of keys and sizes, and the sequence of requests, are independent.
constexpr std::uint64_t kStreamSeed = 0x5eed0001;
constexpr std::uint64_t kGivenSeed = 0x5eed0002;

// With this many bytes a bimodal value is one packet, in a reply as well.
constexpr std::uint32_t kOnePacketBytes = 1024;

std::uint32_t keys_for(std::uint32_t wanted, std::uint64_t value_bytes, std::uint64_t bytes_total) {
  const std::uint64_t room = std::max<std::uint64_t>(bytes_total / value_bytes, 1);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, room));
}

}  // namespace

SimWorkload::SimWorkload(const SimOptions& options)
    : large_share_(options.large_percent / 100),
      get_ratio_(options.get_ratio),
      zipf_(options.zipf),
      prng_(options.seed ^ kGivenSeed) {
  KeySpace::Options keys;
  keys.keys = options.keys;
  keys.seed = options.seed;
  switch (options.sizes) {
    case SimSizes::kGiven:
      make_given(options);
      return;
    case SimSizes::kTrimodal:
      keys.large_bytes_max = static_cast<std::uint32_t>(options.large_bytes_max);
      break;
    case SimSizes::kBimodal:
      keys.value_bytes = kOnePacketBytes;
      keys.large_bytes_max = static_cast<std::uint32_t>(options.large_factor * kPacketPayloadBytes);
      keys.large_bytes_min = keys.large_bytes_max;
      break;
  }
  keys.large_keys = keys_for(options.large_keys, keys.large_bytes_max, kLargeBytesTotal);
  value_bytes_max_ = keys.large_bytes_max;
  keys_.emplace(keys);
  stream_.emplace(*keys_, RequestStream::Options{.large_share = large_share_,
                                                 .get_share = get_ratio_,
                                                 .zipf_theta = options.zipf,
                                                 .seed = options.seed ^ kStreamSeed});
}

void SimWorkload::make_given(const SimOptions& options) {
  double total = 0;
  for (const SimSizeShare& size : options.size_shares) total += size.share;
  std::uint32_t key = 0;
  double up_to = 0;
  for (const SimSizeShare& size : options.size_shares) {
    if (size.share <= 0) continue;
    Given given;
    given.first_key = key;
    given.value_bytes = static_cast<std::uint32_t>(size.value_bytes);
    given.large = size.large;
    given.get_ratio = size.get_ratio < 0 ? options.get_ratio : size.get_ratio;
    given.share = size.share / total;
    up_to += given.share;
    given.up_to = up_to;
    const auto sizes = static_cast<std::uint32_t>(options.size_shares.size());
    const std::uint32_t even = std::max(options.keys / sizes, 1U);
    given.keys =
        keys_for(std::min(even, kKeysOfSizeMax), size.value_bytes * sizes, kGivenBytesTotal);
    key += given.keys;
    value_bytes_max_ = std::max(value_bytes_max_, given.value_bytes);
    given_.push_back(given);
  }
  given_.back().up_to = 1;
  KeySpace::Options keys;
  keys.keys = key;
  keys.value_bytes = value_bytes_max_;
  keys.seed = options.seed;
  keys_.emplace(keys);
}

SimWorkload::Request SimWorkload::next() {
  if (!stream_) {
    const double at = prng_.uniform();
    const auto given = std::ranges::lower_bound(given_, at, {}, &Given::up_to);
    const auto offset = static_cast<std::uint32_t>(prng_.below(given->keys));
    const bool set = prng_.uniform() >= given->get_ratio;
    return {given->first_key + offset, given->value_bytes, set, given->large};
  }
  const LoadRequest request = stream_->next();
  return {request.key, request.value_bytes, request.op == LoadOp::kSet,
          request.size_class == LoadClass::kLarge};
}

double SimWorkload::get_ratio(std::uint32_t key) const {
  if (given_.empty()) return get_ratio_;
  return std::prev(std::ranges::upper_bound(given_, key, {}, &Given::first_key))->get_ratio;
}

void SimWorkload::set_large_percent(double percent) {
  CHECK(stream_);
  large_share_ = percent / 100;
  stream_->set_large_share(large_share_);
}

void SimWorkload::for_each_key(const Visit& visit) const {
  for (const Given& given : given_) {
    for (std::uint32_t i = 0; i < given.keys; ++i) {
      visit(given.first_key + i, given.value_bytes, given.large, given.share / given.keys);
    }
  }
  if (!stream_) return;
  const KeySpace::Options& options = keys_->options();
  const Scramble scramble(options.keys, options.seed);
  double total = 0;
  for (std::uint32_t rank = 0; rank < options.keys; ++rank) {
    total += std::pow(rank + 1.0, -zipf_);
  }
  for (std::uint32_t rank = 0; rank < options.keys; ++rank) {
    const auto key = static_cast<std::uint32_t>(scramble(rank));
    const double share = (1 - large_share_) * std::pow(rank + 1.0, -zipf_) / total;
    visit(key, keys_->item(key).value_bytes, false, share);
  }
  for (std::uint32_t i = 0; i < options.large_keys; ++i) {
    const std::uint32_t key = options.keys + i;
    visit(key, keys_->item(key).value_bytes, true, large_share_ / options.large_keys);
  }
}

}  // namespace minos
