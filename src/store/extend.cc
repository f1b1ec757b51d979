#include <algorithm>

#include "store/core.h"

// append and prepend. What is stored never changes, so either makes a new value of the old one and
// the piece; a long one in calls of bounded work.
namespace minos::store {

namespace {

// Copied in one call: some 100 us if it comes from memory.
constexpr std::uint64_t kCopiedPerCall = 256 * kKiB;

// An extension that nobody asked to go on for so long is given up.
constexpr std::uint32_t kIdleQuiescesMax = 64;

}  // namespace

StoreStatus Core::extend(StoreMode mode, std::string_view key, std::uint64_t hash,
                         const Piece& piece, const Now& now) {
  // Ends: another round means that somebody else's write of the key went through.
  for (;;) {
    const Ref ref = shared_.index.find(key, hash);
    if (ref == 0 || !is_live(shared_.index.record(ref), now)) return StoreStatus::kNotStored;
    const Record old = shared_.index.record(ref);
    const std::uint64_t old_bytes =
        old.large() ? large_of(old)->value_bytes : old.inline_value().size();
    const std::uint64_t bytes = old_bytes + piece.size();
    if (bytes > shared_.options.item_bytes_max) return StoreStatus::kTooLarge;
    std::optional<StoreStatus> status;
    if (bytes > kInlineValueBytesMax || old.large() || piece.large != nullptr) {
      status = extend_large(key, {mode, hash, old.cas(), bytes, piece.large}, piece, now);
    } else {
      status = extend_inline(mode, key, hash, old, piece.bytes, now);
    }
    if (status) return *status;
  }
}

// nullopt: the item changed meanwhile.
std::optional<StoreStatus> Core::extend_inline(StoreMode mode, std::string_view key,
                                               std::uint64_t hash, const Record& old,
                                               std::string_view piece, const Now& now) {
  const std::string_view value = old.inline_value();
  const bool append = mode == StoreMode::kAppend;
  const std::string_view first = append ? value : piece;
  const std::string_view second = append ? piece : value;
  std::copy(first.begin(), first.end(), scratch_.begin());
  std::copy(second.begin(), second.end(), scratch_.begin() + first.size());
  const std::string_view whole(scratch_.data(), first.size() + second.size());
  return replace_if_unchanged({key, whole, 0, old.meta(), 0, 0}, hash, old.cas(), now);
}

// Goes on with the extension, or begins it: memory, the old value, the piece, publication. nullopt:
// the item changed meanwhile. kOutOfMemory with unfinished_: to be called again.
std::optional<StoreStatus> Core::extend_large(std::string_view key, const Extension::What& what,
                                              const Piece& piece, const Now& now) {
  Extension& job = extension_;
  if (job.what != what) {
    // One at a time. What was begun for an older value of the key is void.
    if (job.what.hash != what.hash && job.what.bytes != 0) {
      unfinished_ = true;
      return StoreStatus::kOutOfMemory;
    }
    abandon_extension();
    if (!begin_draft(what.bytes)) return StoreStatus::kOutOfMemory;
    job.what = what;
    job.draft = {nullptr, what.bytes, what.hash, {}};
    if (what.piece != nullptr) LargeHeap::add_reference(what.piece);
  }
  job.idle_quiesces = 0;
  if (!job.draft.complete()) {
    const std::uint64_t before = job.draft.end.value_offset;
    const bool more = grow(job.draft, now);
    extension_progress_ += job.draft.end.value_offset - before;
    if (!more && !memory_is_coming()) abandon_extension();
    if (!more || !job.draft.complete()) return StoreStatus::kOutOfMemory;
  }
  // Found again, as making room may have freed what was found before.
  const Ref ref = shared_.index.find(key, what.hash);
  const Record old = shared_.index.record(ref);
  if (ref == 0 || old.cas() != what.cas) {
    abandon_extension();
    return std::nullopt;
  }
  if (!job.old_copied) place_old(old, piece.size());
  std::uint64_t budget = kCopiedPerCall;
  if (!copy_part(job.old, job.old_read, job.old_write, budget) ||
      !copy_part(piece.large, job.piece_read, job.piece_write, budget)) {
    unfinished_ = true;
    return StoreStatus::kOutOfMemory;
  }
  return publish_extension(key, old.meta(), piece, now);
}

// The first time that memory and the old value are both there: where each part goes.
void Core::place_old(const Record& old, std::uint64_t piece_bytes) {
  Extension& job = extension_;
  const bool append = job.what.mode == StoreMode::kAppend;
  const std::uint64_t old_bytes = job.what.bytes - piece_bytes;
  job.old_write = job.piece_write = LargeHeap::begin(job.draft.value);
  LargeCursor& second = append ? job.piece_write : job.old_write;
  shared_.heap.advance(job.draft.value, second, append ? old_bytes : piece_bytes);
  if (job.what.piece != nullptr) job.piece_read = LargeHeap::begin(job.what.piece);
  if (old.large()) {
    job.old = large_of(old);
    LargeHeap::add_reference(job.old);
    job.old_read = LargeHeap::begin(job.old);
  } else {
    shared_.heap.write(job.draft.value, job.old_write, old.inline_value());
  }
  job.old_copied = true;
}

// False: there is more to copy.
bool Core::copy_part(LargeValue* from, LargeCursor& read, LargeCursor& write,
                     std::uint64_t& budget) {
  if (from == nullptr) return true;
  const std::uint64_t copied = shared_.heap.copy(from, read, extension_.draft.value, write, budget);
  extension_progress_ += copied;
  budget -= copied;
  return read.value_offset == from->value_bytes;
}

std::optional<StoreStatus> Core::publish_extension(std::string_view key, const ItemMeta& meta,
                                                   const Piece& piece, const Now& now) {
  Extension& job = extension_;
  // A piece at hand goes last, from a copy of the cursor: who publishes need not be who began.
  if (piece.large == nullptr) {
    LargeCursor to = job.piece_write;
    shared_.heap.write(job.draft.value, to, piece.bytes);
  }
  unfinished_ = false;
  const auto status =
      replace_if_unchanged({key, {}, shared_.heap.unit_of(job.draft.value), meta, 0, 0},
                           job.what.hash, job.what.cas, now);
  if (status == StoreStatus::kOutOfMemory) return status;
  if (status == StoreStatus::kStored) {
    shared_.draft_bytes.fetch_sub(job.what.bytes, std::memory_order_relaxed);
    job.what.bytes = 0;
  }
  abandon_extension();
  return status;
}

void Core::abandon_extension() {
  Extension& job = extension_;
  if (job.what.bytes != 0) shared_.discard(job.draft.value, job.what.bytes);
  if (job.old != nullptr) shared_.heap.drop_reference(job.old);
  if (job.what.piece != nullptr) shared_.heap.drop_reference(job.what.piece);
  job = {};
}

void Core::age_extension() {
  if (++extension_.idle_quiesces > kIdleQuiescesMax) abandon_extension();
}

std::optional<StoreStatus> Core::replace_if_unchanged(const Record::Parts& parts,
                                                      std::uint64_t hash, std::uint64_t cas,
                                                      const Now& now) {
  const StoreStatus status = store_record(StoreMode::kCas, hash, parts, cas, now);
  if (status == StoreStatus::kExists || status == StoreStatus::kNotFound) return std::nullopt;
  return status;
}

}  // namespace minos::store
