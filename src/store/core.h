#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string_view>

#include "base/histogram.h"
#include "store/shared.h"

namespace minos::store {

// Written by one core, summed over all by KvStore::stats(). Some go up on one core and down on
// another; the sum modulo 2^64 is exact.
struct Counters {
  SharedCounter items;
  SharedCounter item_bytes;
  SharedCounter items_total;
  SharedCounter large_items;
  SharedCounter evictions;
  SharedCounter expired;
};

// The work behind StoreCore: one file per kind of it.
class Core {
 public:
  Core(Shared& shared, std::uint32_t number) : shared_(shared), number_(number) {}

  // core.cc
  void quiesce();
  void offline();
  void online();
  const Counters& counters() const { return counters_; }
  void prefetch_bucket(std::uint64_t hash) const {
    __builtin_prefetch(shared_.index.home_bucket(hash));
  }
  void prefetch_item(std::uint64_t hash, std::size_t key_bytes) const {
    shared_.index.prefetch_match(*shared_.index.home_bucket(hash), hash, key_bytes);
  }

  // read.cc
  std::optional<ItemRef> find(std::string_view key, std::uint64_t hash, const Now& now);
  void find_batch(std::span<Lookup> lookups, const Now& now);
  std::expected<ItemRef, StoreStatus> touch(std::string_view key, std::uint64_t hash,
                                            UnixSeconds expires_at, const Now& now);
  bool remove(std::string_view key, std::uint64_t hash, const Now& now);

  // write.cc
  StoreStatus put(StoreMode mode, std::string_view key, std::uint64_t hash, ItemMeta meta,
                  std::string_view value, std::uint64_t cas, const Now& now);
  // Counts a draft; false if there are too many bytes of them.
  bool begin_draft(std::uint64_t value_bytes);
  // Allocates a portion of it, making room first if memory is short; false if there is none.
  bool grow(LargeHeap::Growth& draft, const Now& now);
  // Consumes the reference, except on kOutOfMemory.
  StoreStatus publish(StoreMode mode, std::string_view key, std::uint64_t hash, ItemMeta meta,
                      LargeValue* value, std::uint64_t cas, const Now& now);

  // arith.cc
  std::expected<std::uint64_t, ArithError> arith(std::string_view key, std::uint64_t hash,
                                                 bool increment, std::uint64_t delta,
                                                 const Now& now);

  // maintain.cc
  std::uint32_t maintain(const Now& now, std::uint32_t budget);

  std::uint64_t extension_progress() const { return extension_progress_; }
  std::uint64_t last_cas() const { return (cas_next_ - 1) & kCasMask; }
  bool memory_is_coming() const { return unfinished_ || shared_.limbo.bytes() != 0; }

  // clean.cc: cleans and evicts until that much is free beyond the reserve, or nothing more can be
  // done now.
  bool relieve(std::uint64_t bytes_needed, const Now& now);

 private:
  struct Open {
    SegmentId id = kNoSegment;
    std::uint32_t used_bytes = kSegmentBytes;
  };
  enum class Cause : std::uint8_t { kCompaction, kEviction };
  struct Victim {
    SegmentId id = kNoSegment;
    Cause cause = Cause::kCompaction;
    Queue queue = Queue::kSmall;
    std::uint32_t at = 0;
    std::uint32_t kept_bytes = 0;
  };
  struct Sweep {
    SegmentId id = kNoSegment;
    std::uint32_t at = 0;
  };
  // A large value on its way to other chunks: one reference to each.
  struct Move {
    LargeValue* from = nullptr;
    LargeValue* to = nullptr;
    LargeCursor read;
    LargeCursor write;
  };
  static constexpr std::size_t kTenantsMax = 64;

  // More lines than memory delivers at once, fewer than the first cache holds.
  static constexpr std::size_t kLookupsAtOnce = 32;

  // Bytes cleaned per byte stored while memory is short: twice what is needed when half of what is
  // cleaned is dead.
  static constexpr std::uint32_t kCleanPerByte = 2;

  // Records after which cleaning ends whatever its budget of bytes: some 100 us.
  static constexpr std::uint32_t kRecordsPerClean = 1024;

  // What is appended or prepended: bytes at hand, or a draft.
  struct Piece {
    std::string_view bytes;
    LargeValue* large = nullptr;
    std::uint64_t size() const { return large != nullptr ? large->value_bytes : bytes.size(); }
  };
  // A large value that is being extended: what is to take its place.
  struct Extension {
    // Whoever asks for the same goes on with it: of a piece at hand only the length counts until
    // the end. Nothing while bytes == 0.
    struct What {
      StoreMode mode = StoreMode::kSet;
      std::uint64_t hash = 0;
      std::uint64_t cas = 0;  // of the old value
      std::uint64_t bytes = 0;
      LargeValue* piece = nullptr;  // one reference
      friend bool operator==(const What&, const What&) = default;
    };
    What what;
    LargeHeap::Growth draft;
    LargeValue* old = nullptr;  // one reference; if it is large
    bool old_copied = false;    // or being copied
    LargeCursor old_read;
    LargeCursor old_write;
    LargeCursor piece_read;
    LargeCursor piece_write;
    std::uint32_t idle_quiesces = 0;
  };

  // core.cc: what all operations are made of.
  // Every operation: a core that nobody called online is from its first use on, and a flush whose
  // time has come precedes what follows.
  void begin(const Now& now) {
    if (!online_) [[unlikely]]
      online();
    if (shared_.flush.is_due(now.unix_s)) [[unlikely]] {
      shared_.flush.apply_if_due(now.unix_s, shared_.next_cas);
      shared_.sweep_begun.store(0, std::memory_order_relaxed);
    }
  }
  bool is_live(std::uint64_t cas, UnixSeconds expires_at, const Now& now) const {
    return cas > shared_.flush.watermark() && (expires_at == 0 || expires_at > now.unix_s);
  }
  bool is_live(const Record& record, const Now& now) const {
    return is_live(record.cas(), record.has_expiry() ? record.expires_at() : 0, now);
  }
  void describe(const Record& record, std::uint8_t bits, std::uint64_t cas, const ItemMeta& meta,
                std::optional<ItemRef>& item);
  LargeValue* large_of(const Record& record) const {
    return shared_.heap.value_at(record.large_unit());
  }
  std::uint32_t stored_bytes(const Record& record) const {
    return shared_.granule.round_up(record.bytes());
  }
  std::uint64_t new_cas();
  bool has_room(Queue queue, std::uint32_t bytes) const {
    return open_[static_cast<std::size_t>(queue)].used_bytes + bytes <= kSegmentBytes;
  }
  bool ensure_room(Queue queue, std::uint32_t bytes, const Now& now);
  bool open_segment(Queue queue, std::uint32_t keep_segments);
  void seal(Queue queue);
  char* begin_append(Queue queue, std::uint32_t bytes, Ref& ref);
  Ref append(Queue queue, const Record::Parts& parts);
  void undo_append(Queue queue, Ref ref);
  Segment& segment_of(Ref ref) const;
  void note_expiry(Ref ref, UnixSeconds expires_at);
  std::uint64_t item_bytes(const Record& record) const;
  void count_item(const Record& record);
  void retire_item(Ref ref, bool keep_large);
  void unlink(const Index::Home& home, const Index::Slot& slot);
  void replace(const Index::Slot& slot, Ref ref, bool keep_large);
  Index::Slot find_live(const Index::Home& home, std::string_view key, std::uint64_t hash,
                        const Now& now);
  void quiesce_if_unused();

  // read.cc
  void take(Record record, std::string_view key, std::uint64_t hash, const Now& now,
            std::optional<ItemRef>& item);
  void take_as(Record record, std::uint8_t bits, std::string_view key, std::uint64_t hash,
               const Now& now, std::optional<ItemRef>& item);
  void find_again(Lookup& lookup, const Now& now);
  void drop_dead(std::string_view key, std::uint64_t hash, const Now& now);

  // write.cc
  LargeValue* reserve(std::uint64_t hash, std::uint64_t value_bytes, const Now& now);
  Queue choose_queue(std::string_view key, std::uint64_t hash);
  StoreStatus store_record(StoreMode mode, std::uint64_t hash, Record::Parts parts,
                           std::uint64_t cas, const Now& now);
  bool make_index_room(std::uint64_t hash, const Now& now);

  // extend.cc
  StoreStatus extend(StoreMode mode, std::string_view key, std::uint64_t hash, const Piece& piece,
                     const Now& now);
  std::optional<StoreStatus> extend_inline(StoreMode mode, std::string_view key, std::uint64_t hash,
                                           const Record& old, std::string_view piece,
                                           const Now& now);
  std::optional<StoreStatus> extend_large(std::string_view key, const Extension::What& what,
                                          const Piece& piece, const Now& now);
  void place_old(const Record& old, std::uint64_t piece_bytes);
  bool copy_part(LargeValue* from, LargeCursor& read, LargeCursor& write, std::uint64_t& budget);
  std::optional<StoreStatus> publish_extension(std::string_view key, const ItemMeta& meta,
                                               const Piece& piece, const Now& now);
  std::optional<StoreStatus> replace_if_unchanged(const Record::Parts& parts, std::uint64_t hash,
                                                  std::uint64_t cas, const Now& now);
  void abandon_extension();
  void age_extension();

  // clean.cc
  // Ahead of need, for records or for chunks, or because there is nothing left.
  enum class Pace : std::uint8_t { kForRecords, kForChunks, kUrgent };
  // Memory beyond what is to be kept free ahead of need.
  std::uint64_t spare_bytes(Pace pace) const {
    std::uint64_t free = shared_.pool->free_segments() * kSegmentBytes + shared_.limbo.bytes();
    if (pace == Pace::kForChunks) free += shared_.heap.free_units() * kUnitBytes;
    const std::uint32_t ahead =
        std::max(shared_.ahead_segments, shared_.pool->kept_for_outside() + 1);
    const std::uint64_t kept = (shared_.reserve_segments + ahead) * kSegmentBytes;
    return free > kept ? free - kept : 0;
  }
  bool is_short(Pace pace) const { return spare_bytes(pace) == 0; }
  std::uint32_t clean(std::uint64_t bytes, Pace pace, const Now& now);
  std::uint32_t clean_victim(std::uint64_t& bytes, std::uint32_t records_max, const Now& now);
  bool clean_record(Ref ref, std::uint64_t hash, const Now& now);
  bool clean_live(const Index::Home& home, const Index::Slot& slot, std::uint64_t hash);
  bool claim_dead(bool urgent);
  bool claim_oldest(Queue queue);
  std::uint64_t evict_next(bool urgent, const Now& now);
  std::uint64_t evict_large(Queue queue, const Now& now);
  Queue queue_to_evict() const;
  bool move_record(const Index::Slot& slot, Queue to, std::uint8_t uses, std::uint32_t large_unit);
  void evict(const Index::Home& home, const Index::Slot& slot, std::uint64_t hash, Queue from);
  void begin_victim(SegmentId id, Cause cause);
  void put_back_victim();

  // relocate.cc
  std::uint64_t empty_large_segment(bool thorough, std::uint64_t bytes_max);
  bool begin_move(const LargeHeap::Tenant& tenant);
  void end_move();
  void abandon_move();

  // maintain.cc
  std::uint32_t sweep(const Now& now, std::uint32_t budget);
  bool begin_sweep(SegmentId id, const Now& now);
  std::uint32_t continue_sweep(const Now& now, std::uint32_t budget);
  void end_sweep();

  Shared& shared_;
  std::uint32_t number_;
  std::uint32_t quiesces_ = 0;
  bool online_ = false;
  bool lent_ = false;        // an ItemRef was handed out since the last quiesce()
  bool unfinished_ = false;  // the last write ended as its share of work was done, not itself
  std::array<Open, kQueues> open_;
  Victim victim_;
  Sweep sweep_;
  std::uint64_t look_in_bytes_ = 0;  // clean() has nothing to look for before
  Move move_;
  Extension extension_;
  std::uint64_t extension_progress_ = 0;
  std::array<LargeHeap::Tenant, kTenantsMax> tenants_;  // of the segment that is being emptied
  std::size_t tenants_left_ = 0;
  std::uint32_t looks_to_skip_ = 0;
  std::uint64_t cas_next_ = 0;
  std::uint64_t cas_end_ = 0;
  Counters counters_;
  std::uint8_t uses_not_counted_ = 0;
  std::array<char, kInlineValueBytesMax> scratch_;
};

}  // namespace minos::store
