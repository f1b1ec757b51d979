#include "worker/assembler.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "worker/peer_hash.h"

namespace minos {

namespace {

constexpr std::uint32_t kMarkBytes = 64 * kKiB;

// How far ahead of what has arrived a fragment may lie: finding its place costs a step from mark to
// mark.
constexpr std::size_t kMarksAhead = 64;

static_assert(kInlineValueBytesMax <= BufferPool::kBufferBytes);

}  // namespace

Assembly::Assembly(const Datagram& first, const Peer& from, std::uint64_t hash)
    : peer(from),
      header(first.header),
      flags(first.flags),
      expiry(first.expiry),
      cas(first.number),
      key_hash(hash),
      key(first.key),
      fragments(first.header.value_bytes, first.header.fragment_bytes) {}

std::size_t Assembler::KeyHash::operator()(const Key& key) const {
  return hash_of_client(key.peer, key.request_id);
}

Assembler::~Assembler() {
  while (!by_age_.empty()) remove(by_age_.front());
}

Assembly* Assembler::find(const Peer& peer, std::uint32_t request_id) {
  const auto found = assemblies_.find({peer, request_id});
  return found == assemblies_.end() ? nullptr : found->second.get();
}

Assembly* Assembler::add(const Datagram& first, const Peer& peer, std::uint64_t key_hash,
                         Nanos now) {
  if (assemblies_.size() >= kAssembliesMax) return nullptr;
  char* buffer = nullptr;
  if (first.header.value_bytes <= kInlineValueBytesMax) {
    buffer = buffers_.acquire();
    if (buffer == nullptr) return nullptr;
  }
  auto added = std::make_unique<Assembly>(first, peer, key_hash);
  Assembly& assembly = *added;
  assembly.buffer = buffer;
  assembly.active = now;
  assemblies_.insert_or_assign({peer, first.header.request_id}, std::move(added));
  by_age_.push_back(assembly);
  return &assembly;
}

StoreStatus Assembler::reserve(Assembly& assembly, Now now) {
  if (assembly.buffer != nullptr) return StoreStatus::kStored;
  ItemDraft& draft = assembly.draft;
  if (!draft) {
    const ItemMeta meta{assembly.flags, assembly.expiry};
    auto reserved =
        core_.reserve(assembly.key, assembly.key_hash, meta, assembly.value_bytes(), now);
    if (!reserved) return reserved.error();
    draft = std::move(*reserved);
  } else if (!draft.reserved()) {
    const std::uint64_t before = draft.reserved_bytes();
    core_.reserve_more(draft, now);
    if (draft.reserved_bytes() != before) assembly.memory_wait.restart();
  }
  return draft.reserved() ? StoreStatus::kStored : StoreStatus::kOutOfMemory;
}

bool Assembler::take(Assembly& assembly, const Datagram& fragment, Now now) {
  const DatagramHeader& header = fragment.header;
  if (header.value_bytes != assembly.header.value_bytes ||
      header.fragment_bytes != assembly.header.fragment_bytes || header.op != assembly.header.op ||
      fragment.key != assembly.key) {
    return false;
  }
  assembly.active = now.mono;
  by_age_.remove(assembly);
  by_age_.push_back(assembly);
  if (assembly.buffer != nullptr) {
    if (!assembly.fragments.add(header.offset)) return false;
    std::memcpy(assembly.buffer + header.offset, fragment.payload.data(), fragment.payload.size());
    return true;
  }
  const std::uint64_t end = header.offset + fragment.payload.size();
  if (!assembly.draft || end > assembly.draft.reserved_bytes()) return false;
  LargeCursor at;
  if (!place_of(assembly, header.offset, at)) return false;
  if (!assembly.fragments.add(header.offset)) return false;
  assembly.draft.write(at, fragment.payload);
  return true;
}

bool Assembler::place_of(Assembly& assembly, std::uint32_t offset, LargeCursor& cursor) {
  std::vector<LargeCursor>& marks = assembly.marks;
  const std::size_t wanted = offset / kMarkBytes;
  if (wanted >= marks.size() + kMarksAhead) return false;
  if (marks.empty()) marks.push_back(assembly.draft.begin());
  while (marks.size() <= wanted) {
    LargeCursor next = marks.back();
    assembly.draft.advance(next, kMarkBytes);
    marks.push_back(next);
  }
  cursor = marks[wanted];
  assembly.draft.advance(cursor, offset % kMarkBytes);
  return true;
}

Assembly* Assembler::stalest(Nanos now, Nanos idle) {
  if (by_age_.empty()) return nullptr;
  Assembly& oldest = by_age_.front();
  return now - oldest.active >= idle ? &oldest : nullptr;
}

void Assembler::remove(Assembly& assembly) {
  by_age_.remove(assembly);
  if (assembly.buffer != nullptr) buffers_.release(assembly.buffer);
  const auto found = assemblies_.find({assembly.peer, assembly.header.request_id});
  CHECK(found != assemblies_.end());
  assemblies_.erase(found);
}

}  // namespace minos
