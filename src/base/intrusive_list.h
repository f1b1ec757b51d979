#pragma once

#include <cstddef>

#include "base/check.h"

namespace minos {

// A link of one list; a type that is in several lists derives from several, told apart by Tag.
template <typename Tag>
class ListHook {
 public:
  ListHook() = default;
  ListHook(const ListHook&) = delete;
  ListHook& operator=(const ListHook&) = delete;
  ~ListHook() { DCHECK(!linked()); }

  bool linked() const { return next_ != nullptr; }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;
  ListHook* prev_ = nullptr;
  ListHook* next_ = nullptr;
};

// Doubly linked list through the elements themselves: no allocation, O(1) removal of any element.
// Owns nothing; an element leaves before it is destroyed.
template <typename T, typename Tag>
class IntrusiveList {
 public:
  using Hook = ListHook<Tag>;

  IntrusiveList() { root_.prev_ = root_.next_ = &root_; }
  ~IntrusiveList() {
    CHECK(empty());
    root_.prev_ = root_.next_ = nullptr;
  }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return root_.next_ == &root_; }
  std::size_t size() const { return size_; }
  T& front() { return *static_cast<T*>(root_.next_); }
  T& back() { return *static_cast<T*>(root_.prev_); }

  // No-op when already linked: an element waits once, in its first place.
  void push_back(T& element) {
    Hook& hook = element;
    if (hook.linked()) return;
    hook.prev_ = root_.prev_;
    hook.next_ = &root_;
    root_.prev_->next_ = &hook;
    root_.prev_ = &hook;
    ++size_;
  }

  // No-op when not linked.
  void remove(T& element) {
    Hook& hook = element;
    if (!hook.linked()) return;
    hook.prev_->next_ = hook.next_;
    hook.next_->prev_ = hook.prev_;
    hook.prev_ = hook.next_ = nullptr;
    --size_;
  }

  T& pop_front() {
    T& element = front();
    remove(element);
    return element;
  }

 private:
  Hook root_;
  std::size_t size_ = 0;
};

}  // namespace minos
