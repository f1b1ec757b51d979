#pragma once

#include <cstddef>
#include <vector>

namespace minos {

// A queue that grows up to a bound. One owner; T is plain data.
template <typename T>
class BoundedFifo {
 public:
  explicit BoundedFifo(std::size_t bound) : bound_(bound) {}

  // False when it is full.
  bool push(const T& element) {
    if (used_ == bound_) return false;
    if (used_ == elements_.size()) grow();
    elements_[(first_ + used_++) & (elements_.size() - 1)] = element;
    return true;
  }
  T& front() { return elements_[first_]; }
  const T& front() const { return elements_[first_]; }
  void pop() {
    first_ = (first_ + 1) & (elements_.size() - 1);
    --used_;
  }
  bool empty() const { return used_ == 0; }
  std::size_t size() const { return used_; }

 private:
  void grow() {
    std::vector<T> larger(elements_.empty() ? 64 : elements_.size() * 2);
    for (std::size_t i = 0; i < used_; ++i) {
      larger[i] = elements_[(first_ + i) & (elements_.size() - 1)];
    }
    elements_.swap(larger);
    first_ = 0;
  }

  std::size_t bound_;
  std::vector<T> elements_;  // a power of two of them
  std::size_t first_ = 0;
  std::size_t used_ = 0;
};

}  // namespace minos
