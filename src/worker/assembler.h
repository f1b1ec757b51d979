#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/intrusive_list.h"
#include "base/limits.h"
#include "base/units.h"
#include "store/kv_store.h"
#include "wire/datagram.h"
#include "wire/fragment_map.h"
#include "wire/packet.h"
#include "worker/buffer_pool.h"
#include "worker/memory_wait.h"
#include "worker/write_window.h"

namespace minos {

// A value of which fragments are arriving. A short one is collected in a buffer, a long one where
// it is to be stored.
struct Assembly : ListHook<struct AssemblyAgeTag> {
  Peer peer;
  WriteWindow::Ticket ticket;
  std::uint64_t token = 0;  // for the reply
  DatagramHeader header;    // of its first fragment to arrive
  std::uint32_t flags = 0;
  std::uint32_t expiry = 0;
  std::uint64_t cas = 0;
  std::uint64_t key_hash = 0;
  std::string key;
  FragmentMap fragments;
  ItemDraft draft;
  std::vector<LargeCursor> marks;  // in the draft, every kMarkBytes, as far as something arrived
  char* buffer = nullptr;
  Nanos active{0};  // when the last fragment came
  MemoryWait memory_wait;
  bool stuck = false;  // it waits, among those that are looked at again in each step

  Assembly(const Datagram& first, const Peer& from, std::uint64_t hash);
  bool complete() const { return fragments.complete(); }
  std::uint32_t value_bytes() const { return header.value_bytes; }
};

// The values that one core is putting together. One owner.
class Assembler {
 public:
  Assembler(StoreCore& core, BufferPool& buffers) : core_(core), buffers_(buffers) {}
  ~Assembler();
  Assembler(const Assembler&) = delete;
  Assembler& operator=(const Assembler&) = delete;

  std::size_t size() const { return assemblies_.size(); }

  Assembly* find(const Peer& peer, std::uint32_t request_id);
  // nullptr when there are too many, or no buffer.
  Assembly* add(const Datagram& first, const Peer& peer, std::uint64_t key_hash, Nanos now);

  // Puts a fragment where it belongs. False: it was there already, does not belong to the value
  // that the assembly began as, or there is no memory at its place yet.
  bool take(Assembly& assembly, const Datagram& fragment, Now now);
  // Of a long value: reserves more, if it is not all there. kStored when it is.
  StoreStatus reserve(Assembly& assembly, Now now);

  // The one of which longest nothing came, if that is at least `idle` ago.
  Assembly* stalest(Nanos now, Nanos idle);
  void remove(Assembly& assembly);

 private:
  struct Key {
    Peer peer;
    std::uint32_t request_id;
    bool operator==(const Key& other) const {
      return request_id == other.request_id && peer.same_client(other.peer) &&
             peer.queue == other.peer.queue;
    }
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const;
  };

  static bool place_of(Assembly& assembly, std::uint32_t offset, LargeCursor& cursor);

  StoreCore& core_;
  BufferPool& buffers_;
  std::unordered_map<Key, std::unique_ptr<Assembly>, KeyHash> assemblies_;
  IntrusiveList<Assembly, AssemblyAgeTag> by_age_;
};

}  // namespace minos
