// PinnedValue and ItemDraft: what outlives a step.
#include <cstring>
#include <utility>

#include "base/check.h"
#include "store/kv_impl.h"

namespace minos {

PinnedValue::PinnedValue(KvStore* store, LargeValue* value) : store_(store), value_(value) {
  if (value_ != nullptr) store::LargeHeap::add_reference(value_);
}

PinnedValue::PinnedValue(PinnedValue&& other) noexcept
    : store_(other.store_), value_(std::exchange(other.value_, nullptr)) {}

PinnedValue& PinnedValue::operator=(PinnedValue&& other) noexcept {
  if (this != &other) {
    reset();
    store_ = other.store_;
    value_ = std::exchange(other.value_, nullptr);
  }
  return *this;
}

PinnedValue::~PinnedValue() {
  reset();
}

void PinnedValue::reset() {
  if (value_ != nullptr) store_->impl_->shared.heap.drop_reference(value_);
  value_ = nullptr;
}

std::uint64_t PinnedValue::value_bytes() const {
  return value_ ? value_->value_bytes : 0;
}

LargeCursor PinnedValue::begin() const {
  return store::LargeHeap::begin(value_);
}

std::size_t PinnedValue::gather(const LargeCursor& from, std::uint64_t bytes_max,
                                std::span<iovec> out) const {
  return store_->impl_->shared.heap.gather(value_, from, bytes_max, out);
}

void PinnedValue::advance(LargeCursor& cursor, std::uint64_t bytes) const {
  store_->impl_->shared.heap.advance(value_, cursor, bytes);
}

ItemDraft::ItemDraft(KvStore* store, std::string_view key, std::uint64_t key_hash, ItemMeta meta,
                     std::uint64_t value_bytes)
    : store_(store),
      value_bytes_(value_bytes),
      key_hash_(key_hash),
      meta_(meta),
      key_bytes_(static_cast<std::uint8_t>(key.size())) {
  CHECK(key.size() <= kKeyBytesMax);
  std::memcpy(key_, key.data(), key.size());
}

ItemDraft::ItemDraft(ItemDraft&& other) noexcept {
  *this = std::move(other);
}

ItemDraft& ItemDraft::operator=(ItemDraft&& other) noexcept {
  if (this != &other) {
    reset();
    store_ = std::exchange(other.store_, nullptr);
    value_ = std::exchange(other.value_, nullptr);
    value_bytes_ = other.value_bytes_;
    reserved_ = other.reserved_;
    cursor_ = other.cursor_;
    key_hash_ = other.key_hash_;
    meta_ = other.meta_;
    key_bytes_ = other.key_bytes_;
    std::memcpy(key_, other.key_, key_bytes_);
  }
  return *this;
}

ItemDraft::~ItemDraft() {
  reset();
}

void ItemDraft::reset() {
  if (store_ != nullptr) store_->impl_->shared.discard(value_, value_bytes_);
  store_ = nullptr;
  value_ = nullptr;
}

std::size_t ItemDraft::scatter(std::uint64_t bytes_max, std::span<iovec> out) {
  CHECK(reserved());
  return store_->impl_->shared.heap.gather(value_, cursor_, bytes_max, out);
}

void ItemDraft::filled(std::uint64_t bytes) {
  store_->impl_->shared.heap.advance(value_, cursor_, bytes);
}

LargeCursor ItemDraft::begin() const {
  return store::LargeHeap::begin(value_);
}

void ItemDraft::advance(LargeCursor& cursor, std::uint64_t bytes) const {
  store_->impl_->shared.heap.advance(value_, cursor, bytes);
}

void ItemDraft::write(LargeCursor at, std::string_view bytes) {
  CHECK(at.value_offset + bytes.size() <= reserved_bytes());
  store::LargeHeap& heap = store_->impl_->shared.heap;
  heap.advance(value_, at, 0);  // onto a chunk that was reserved since
  heap.write(value_, at, bytes);
}

}  // namespace minos
