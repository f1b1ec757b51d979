#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/units.h"

namespace minos {

class KvStore;
struct LargeValue;  // chunk chain of one value, reference counted

struct StoreOptions {
  std::uint64_t memory_bytes = 64 * kMiB;  // hard limit on everything, see KvStore::memory
  std::uint64_t item_bytes_max = kItemBytesDefault;  // largest value accepted
  bool evict = true;                                 // false: refuse writes when full
  std::uint16_t cores = 1;  // number of StoreCore handles, 1 .. kWorkersMax
};

enum class StoreMode : std::uint8_t { kSet, kAdd, kReplace, kAppend, kPrepend, kCas };

enum class StoreStatus : std::uint8_t {
  kStored,
  kNotStored,    // add of a present key, replace/append/prepend of an absent one
  kExists,       // cas: changed meanwhile
  kNotFound,     // cas or touch of an absent key
  kTooLarge,     // value above item_bytes_max (append and prepend: the sum)
  kOutOfMemory,  // no room and eviction is off, or everything left is pinned
};

struct ItemMeta {
  std::uint32_t flags = 0;
  UnixSeconds expires_at = 0;  // absolute; 0 = never; a time that has passed = already expired
};

// A published item as one look-up saw it. Its views stay valid until the StoreCore that returned it
// calls quiesce() or offline(); a value never changes under a reader. Promote to PinnedValue to
// keep a large value longer.
struct ItemRef {
  std::string_view key;
  std::uint64_t cas = 0;
  ItemMeta meta;
  std::uint64_t value_bytes = 0;
  std::string_view inline_value;  // the whole value when large == nullptr
  LargeValue* large = nullptr;    // set when value_bytes > kInlineValueBytesMax
};

// One key of a batch, see StoreCore::find_batch().
struct Lookup {
  std::string_view key = {};
  std::uint64_t hash = 0;
  bool read = true;  // false: only fetches the memory that a write of the key will need
  std::optional<ItemRef> item = {};  // filled by find_batch(); nullopt if there is none
};

// Where the next byte of a large value is read or written; advance by what was moved.
struct LargeCursor {
  void* chunk = nullptr;
  std::uint64_t chunk_offset = 0;
  std::uint64_t value_offset = 0;
};

// Shared ownership of one large value: it stays whole and readable while overwritten, deleted or
// evicted. Movable between cores; may be destroyed by any thread, outliving quiesce().
class PinnedValue {
 public:
  PinnedValue() = default;
  PinnedValue(KvStore* store, LargeValue* value);  // takes one reference
  PinnedValue(PinnedValue&& other) noexcept;
  PinnedValue& operator=(PinnedValue&& other) noexcept;
  ~PinnedValue();

  explicit operator bool() const { return value_ != nullptr; }
  std::uint64_t value_bytes() const;
  LargeCursor begin() const;

  // Fills `out` with up to bytes_max readable bytes from the cursor on; returns entries used.
  std::size_t gather(const LargeCursor& from, std::uint64_t bytes_max, std::span<iovec> out) const;
  void advance(LargeCursor& cursor, std::uint64_t bytes) const;

 private:
  void reset();

  KvStore* store_ = nullptr;
  LargeValue* value_ = nullptr;
};

// Memory reserved for a large value that is not published yet. One owner, movable between cores;
// destroyed unpublished, it gives its memory back. It is filled once all of it is reserved().
class ItemDraft {
 public:
  ItemDraft() = default;
  ItemDraft(KvStore* store, std::string_view key, std::uint64_t key_hash, ItemMeta meta,
            std::uint64_t value_bytes);
  ItemDraft(ItemDraft&& other) noexcept;
  ItemDraft& operator=(ItemDraft&& other) noexcept;
  ~ItemDraft();

  explicit operator bool() const { return store_ != nullptr; }
  std::string_view key() const { return {key_, key_bytes_}; }
  std::uint64_t key_hash() const { return key_hash_; }
  std::uint64_t value_bytes() const { return value_bytes_; }
  std::uint64_t reserved_bytes() const { return reserved_.value_offset; }
  bool reserved() const { return reserved_bytes() == value_bytes(); }
  std::uint64_t filled_bytes() const { return cursor_.value_offset; }
  bool complete() const { return filled_bytes() == value_bytes(); }

  // Writable memory from filled_bytes() on, at most bytes_max of it; filled() says how much of it
  // now holds the value.
  std::size_t scatter(std::uint64_t bytes_max, std::span<iovec> out);
  void filled(std::uint64_t bytes);

  // Or it is filled in any order, as far as it is reserved(): write() where begin() and advance()
  // lead to, and when nothing is missing, filled_all().
  LargeCursor begin() const;
  void advance(LargeCursor& cursor, std::uint64_t bytes) const;
  void write(LargeCursor at, std::string_view bytes);
  void filled_all() { cursor_.value_offset = value_bytes_; }

 private:
  friend class StoreCore;
  void reset();

  KvStore* store_ = nullptr;
  LargeValue* value_ = nullptr;  // from its first chunk on
  std::uint64_t value_bytes_ = 0;
  LargeCursor reserved_;  // the end of it
  LargeCursor cursor_;    // what is filled
  std::uint64_t key_hash_ = 0;
  ItemMeta meta_;
  std::uint8_t key_bytes_ = 0;
  char key_[kKeyBytesMax];
};

enum class ArithError : std::uint8_t { kNotFound, kNonNumeric, kOutOfMemory };

struct MemoryUse {
  std::uint64_t limit_bytes = 0;
  // Never above the limit. What follows adds up to it, except for what moves from one use to
  // another while it is looked at.
  std::uint64_t used_bytes = 0;
  std::uint64_t log_bytes = 0;    // segments that hold small items and headers
  std::uint64_t large_bytes = 0;  // segments that hold chunks, published or not
  std::uint64_t index_bytes = 0;
  std::uint64_t buffer_bytes = 0;  // charged through charge_buffers()
  std::uint64_t other_bytes = 0;   // ghost table, segment headers, rounding of what is charged
};

struct StoreStats {
  std::uint64_t items = 0;
  std::uint64_t item_bytes = 0;   // keys, values and headers of live items
  std::uint64_t items_total = 0;  // ever stored
  std::uint64_t large_items = 0;
  std::uint64_t evictions = 0;
  std::uint64_t expired = 0;
  std::uint64_t index_pages = 0;
};

// One core's way into the store: its open log segments, its cas ids, its place in the reclamation
// epochs. Owned by one thread at a time; any core may read and write any key.
//
// Every key is passed with its hash_key(). Keys are 1 .. kKeyBytesMax bytes.
//
// The rule by which any two operations on one key are ordered (index.h says why it suffices):
// 1. Every write of a key, also the store's own (eviction, expiry, moving a record), happens under
//    the lock bit of the home bucket of the key and takes effect with one release store of the ref
//    in its slot. The bit is held for a small copy at most; who waits for it yields after a while.
// 2. A read takes no lock. It takes effect where it loads that ref, or, finding none, at a moment
//    of its own duration at which there was none.
// 3. What a ref leads to does not change, except for the count of uses and the expiry, and is not
//    reused before every core that is online has called quiesce() since it was unlinked. A core
//    that never does makes writes fail with kOutOfMemory in the end, nothing worse.
class StoreCore {
 public:
  StoreCore(const StoreCore&) = delete;
  StoreCore& operator=(const StoreCore&) = delete;
  ~StoreCore();

  // Declares that no ItemRef of this core is in use: memory retired before may be reused. Called at
  // the top of every step. A core that will not step for a while calls offline() first, and
  // online() before its next use, lest it hold up reclamation. A core is offline until first used;
  // an operation brings it online.
  void quiesce();
  void offline();
  void online();

  // Finds a live item and tells the eviction policy that it was used.
  std::optional<ItemRef> find(std::string_view key, std::uint64_t hash, Now now);

  // As find() for each that is to be read, in any order, but waiting for memory once per stage and
  // not once per key: for up to 32 at a time. Each takes effect during the call, so that a write
  // that is to come before one of them has to be done before. A key may occur more than once. The
  // end of an inline value is on its way when this returns, for who copies it.
  void find_batch(std::span<Lookup> lookups, Now now);

  // For a batch whose operations must take effect in their order, among them writes: first the
  // bucket line of every key, then the lines of its item up to the end of the key; then the
  // operations.
  void prefetch_bucket(std::uint64_t hash) const;
  void prefetch_item(std::uint64_t hash, std::size_t key_bytes = 32) const;
  // As find, and sets a new expiry; the cas id stays. Errors: kNotFound; kOutOfMemory, if the item
  // is there but memory for an expiry it did not have before is not: it is left as it was.
  std::expected<ItemRef, StoreStatus> touch(std::string_view key, std::uint64_t hash,
                                            UnixSeconds expires_at, Now now);
  PinnedValue pin(const ItemRef& item);

  // Stores a value that is at hand whole, of any size. `cas` is the id to match under kCas, ignored
  // otherwise. Under kAppend and kPrepend the stored item keeps its own meta. What fails changes
  // nothing; a caller that will not try a kSet again removes what is there, so that nobody is
  // served a value that its owner meant to replace.
  StoreStatus put(StoreMode mode, std::string_view key, std::uint64_t hash, ItemMeta meta,
                  std::string_view value, std::uint64_t cas, Now now);

  // Reserves memory for a value of more than kInlineValueBytesMax bytes; evicts to make room, but
  // all drafts together never take more than half the memory, so that stalled uploads cannot push
  // everything out. Errors: kTooLarge, kOutOfMemory; what is stored under the key stays, as with
  // put.
  //
  // A call does a bounded share of that work, some 100 us when items have to be evicted, and the
  // draft may come back not reserved() yet: reserve_more() goes on, in a later step. What a draft
  // has it keeps, so drafts that are gone on with get done: other writes take part of what is freed
  // for one, but free the double of what they take. Two that together want more than can be freed
  // may both fail where one would not have.
  std::expected<ItemDraft, StoreStatus> reserve(std::string_view key, std::uint64_t hash,
                                                ItemMeta meta, std::uint64_t value_bytes, Now now);
  // False: no memory now, as kOutOfMemory.
  bool reserve_more(ItemDraft& draft, Now now);
  // Publishes a complete draft. The draft is consumed, except on kOutOfMemory: it may be published
  // again.
  StoreStatus publish(StoreMode mode, ItemDraft& draft, std::uint64_t cas, Now now);

  // The cas id of what the last write through this core stored; of one that failed it says nothing.
  std::uint64_t last_cas() const;

  bool remove(std::string_view key, std::uint64_t hash, Now now);

  // memcached's incr (wraps at 2^64) and decr (stops at 0). As there, the stored value is what
  // strtoull makes of it: white space and a sign may come first, white space or a NUL ends it
  // whatever follows, and a minus sign makes it wrap, but not to 2^63 or more. Both keep at least
  // the stored length, padding with spaces. A value stored as chunks is not a number.
  std::expected<std::uint64_t, ArithError> arith(std::string_view key, std::uint64_t hash,
                                                 bool increment, std::uint64_t delta, Now now);

  // Bounded background work: expiry, compaction, reclamation, eviction ahead of need. Does about
  // `budget` records' worth and returns how many it did.
  std::uint32_t maintain(Now now, std::uint32_t budget);

  // After a write that found no memory, or not all: more was freed and waits for other cores to
  // quiesce, or can be freed; the same write may succeed after this core's next quiesce(). How long
  // to try is for the caller to say: as long as reserved_bytes() grows, and else for a while.
  bool memory_is_coming() const;

  // kAppend and kPrepend to a large value copy it, 256 KiB a call: until the last they say
  // kOutOfMemory and that memory is coming. This goes up while one gets on, which is a reason to go
  // on trying; a core has one under way, others wait for it. One that is not tried again is given
  // up after some quiesce() calls.
  std::uint64_t extension_progress() const;

  KvStore& store() { return *store_; }

 private:
  friend class KvStore;
  struct Impl;
  explicit StoreCore(KvStore* store, std::uint16_t core);

  KvStore* store_;
  std::unique_ptr<Impl> impl_;
};

// The store of one server, shared by all cores.
class KvStore {
 public:
  // The least memory_bytes for this many cores; the most is kMemoryBytesMax.
  static std::uint64_t memory_bytes_min(std::uint16_t cores);
  // Errors are sentences for people, naming the value that is wrong.
  static std::expected<std::unique_ptr<KvStore>, std::string> create(const StoreOptions& options);
  ~KvStore();

  StoreCore& core(CoreId core);

  // Everything stored before `at` (unix time; 0 = at once) is gone once that time has come: with
  // the first operation that is told so. A later call replaces one whose time has not come. Any
  // thread.
  void flush_all(UnixSeconds at, Now now);

  // How often a value found no room because others that are not published yet, such as uploads that
  // stalled, hold half of the memory. Any thread.
  std::uint64_t drafts_refused() const;

  // Charges memory outside the store (connection buffers) against the limit, evicting if needed;
  // false when there is none to be had now. Items leave some memory to it even when nothing may be
  // evicted: 256 KiB for each core and 512 KiB, without eviction 1/64 of the limit if that is more.
  // What was evicted for it may have to wait for cores to quiesce(), the caller's own among them:
  // then the same call in a later step may succeed. Any thread, not on the path of a small request:
  // callers charge by the pool block.
  bool charge_buffers(std::uint64_t bytes);
  void release_buffers(std::uint64_t bytes);

  // Faults in memory that the next writes will use, up to bytes_max; returns how much. For a
  // housekeeping thread, so that no worker pays for a page fault. 64 MiB, or 1/8 of the limit if
  // that is less, are kept ready: enough for 1 GB/s if it looks every 50 ms (with a limit of 64
  // MiB: every 8 ms).
  std::uint64_t prefault(std::uint64_t bytes_max);

  MemoryUse memory() const;
  StoreStats stats() const;
  const StoreOptions& options() const;

 private:
  friend class StoreCore;
  friend class PinnedValue;
  friend class ItemDraft;
  struct Impl;
  KvStore();

  std::unique_ptr<Impl> impl_;
};

}  // namespace minos
