#include "store/testing/cache_models.h"

#include <deque>
#include <unordered_map>

namespace minos::testing {

namespace {

// FIFO, LRU and SIEVE are one list that differ in what a hit does and whom they evict.
class ListCache {
 public:
  ListCache(CacheModel model, std::uint64_t capacity) : model_(model), capacity_(capacity) {}

  bool access(std::uint64_t key) {
    if (const auto it = where_.find(key); it != where_.end()) {
      if (model_ == CacheModel::kLru) list_.splice(list_.begin(), list_, it->second);
      it->second->used = true;
      return true;
    }
    if (list_.size() >= capacity_) evict();
    list_.push_front({key, false});
    where_[key] = list_.begin();
    return false;
  }

 private:
  struct Entry {
    std::uint64_t key;
    bool used;
  };
  using List = std::list<Entry>;

  void evict() {
    auto victim = std::prev(list_.end());
    if (model_ == CacheModel::kSieve) {
      victim = hand_valid_ ? hand_ : victim;
      while (victim->used) {
        victim->used = false;
        victim = victim == list_.begin() ? std::prev(list_.end()) : std::prev(victim);
      }
      hand_valid_ = victim != list_.begin();
      if (hand_valid_) hand_ = std::prev(victim);
    }
    where_.erase(victim->key);
    list_.erase(victim);
  }

  CacheModel model_;
  std::uint64_t capacity_;
  List list_;  // newest first
  std::unordered_map<std::uint64_t, List::iterator> where_;
  List::iterator hand_;
  bool hand_valid_ = false;
};

class S3FifoCache {
 public:
  explicit S3FifoCache(std::uint64_t capacity) : capacity_(capacity), small_max_(capacity / 10) {}

  bool access(std::uint64_t key) {
    State& state = states_[key];
    if (state.where == kSmall || state.where == kMain) {
      if (state.uses < 3) ++state.uses;
      return true;
    }
    const bool ghost = state.where == kGhost && clock_ - state.evicted_at <= capacity_;
    while (small_.size() + main_.size() >= capacity_) evict();
    states_[key] = {ghost ? kMain : kSmall, 0, 0};
    (ghost ? main_ : small_).push_back(key);
    return false;
  }

 private:
  enum Where : std::uint8_t { kNowhere, kSmall, kMain, kGhost };
  struct State {
    Where where = kNowhere;
    std::uint8_t uses = 0;
    std::uint64_t evicted_at = 0;
  };

  void evict() {
    const bool from_small = small_.size() > small_max_ || main_.empty();
    std::deque<std::uint64_t>& from = from_small ? small_ : main_;
    const std::uint64_t key = from.front();
    from.pop_front();
    State& state = states_[key];
    if (from_small && state.uses > 1) {
      state = {kMain, 0, 0};
      main_.push_back(key);
    } else if (from_small) {
      state = {kGhost, 0, ++clock_};
    } else if (state.uses > 0) {
      --state.uses;
      main_.push_back(key);
    } else {
      state = {};
    }
  }

  std::uint64_t capacity_;
  std::uint64_t small_max_;
  std::uint64_t clock_ = 0;  // evictions to the ghost queue
  std::deque<std::uint64_t> small_;
  std::deque<std::uint64_t> main_;
  std::unordered_map<std::uint64_t, State> states_;
};

template <typename Cache>
double run(Cache cache, std::uint64_t requests, ZipfKeys& keys) {
  std::uint64_t hits = 0;
  for (std::uint64_t i = 0; i < requests; ++i) {
    const bool hit = cache.access(keys.next());
    if (hit && i >= requests / 2) ++hits;
  }
  const std::uint64_t counted = requests - requests / 2;
  return static_cast<double>(hits) / static_cast<double>(counted);
}

}  // namespace

std::string_view name_of(CacheModel model) {
  switch (model) {
    case CacheModel::kFifo:
      return "FIFO";
    case CacheModel::kLru:
      return "LRU";
    case CacheModel::kSieve:
      return "SIEVE";
    case CacheModel::kS3Fifo:
      return "S3-FIFO";
  }
  return "";
}

double hit_ratio(CacheModel model, std::uint64_t capacity, std::uint64_t requests, ZipfKeys& keys) {
  if (model == CacheModel::kS3Fifo) return run(S3FifoCache(capacity), requests, keys);
  return run(ListCache(model, capacity), requests, keys);
}

}  // namespace minos::testing
