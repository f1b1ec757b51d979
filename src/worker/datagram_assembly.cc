// Values that come in several datagrams: one core puts each together, whichever core receives the
// pieces.

#include <array>
#include <cstring>
#include <utility>

#include "wire/exptime.h"
#include "worker/datagram_engine.h"

namespace minos {

namespace {

// When too many values are being put together, one of which nothing came for so long gives way.
constexpr Nanos kAssemblyGivesWay = std::chrono::seconds(1);

}  // namespace

void DatagramEngine::write_fragment(Request& request) {
  using Kind = WriteWindow::Entry::Kind;
  stats_.add(Counter::kSetFragments);
  const Peer& peer = *request.in.peer;
  const DatagramHeader& header = request.datagram.header;
  CoreId owner = config_.self;
  if (!request.in.fragment) {
    const Placement placement = place(RequestKind::kWrite, request.key_hash, header.value_bytes);
    if (placement.where == Placement::Where::kHandOff) owner = placement.core;
  }
  const WriteWindow::Entry entry =
      window(peer).begin(peer, request.datagram.write, owner, now_.mono);
  switch (entry.kind) {
    case Kind::kFull:
      return reply_status(request, DatagramStatus::kBusy);
    case Kind::kDone:
      // Pieces that come late are told nothing, lest each of them be answered.
      stats_.add(Counter::kRepeatedWrites);
      if (header.retry || header.offset == 0) reply_outcome(request, entry.outcome);
      return;
    case Kind::kStale:
      return stats_.add(Counter::kStaleWrites);
    case Kind::kNew:
    case Kind::kRunning:
      break;
  }
  if (entry.owner == config_.self) return take_fragment(request, entry.ticket);
  KeptPacket kept = request.in.fragment ? KeptPacket() : keep(request.in);
  if (kept && forward(ForwardedFragment{std::move(kept)}, entry.owner)) return;
  // The write stays that core's all the same: others may have handed it fragments meanwhile.
  stats_.add(Counter::kFragmentsDropped);
}

void DatagramEngine::take_fragment(Request& request, const WriteWindow::Ticket& ticket) {
  const Datagram& datagram = request.datagram;
  const Peer& peer = *request.in.peer;
  Assembly* assembly = assembler_.find(peer, datagram.header.request_id);
  if (assembly == nullptr) {
    stats_.sizes_written.record(datagram.header.value_bytes);
    note_served(datagram.header.value_bytes);
    if (datagram.header.value_bytes > store_.options().item_bytes_max) {
      const WriteOutcome outcome =
          outcome_of(store_mode_of(datagram.header.op), StoreStatus::kTooLarge, datagram.key,
                     request.key_hash);
      window(peer).finish(ticket, outcome);
      return reply_outcome(request, outcome);
    }
    assembly = assembler_.add(datagram, peer, request.key_hash, now_.mono);
    if (assembly == nullptr) {
      Assembly* const stale = assembler_.stalest(now_.mono, kAssemblyGivesWay);
      if (stale != nullptr) abandon(*stale);
      assembly = assembler_.add(datagram, peer, request.key_hash, now_.mono);
    }
    if (assembly == nullptr) {
      window(peer).forget(ticket);
      return reply_status(request, DatagramStatus::kBusy);
    }
    assembly->ticket = ticket;
    assembly->token = request.token;
    assembly->expiry = expires_at(datagram.expiry, now_.unix_s);
    advance(*assembly);
    assembly = assembler_.find(peer, datagram.header.request_id);
    if (assembly == nullptr) return;  // it came to an end at once
  }
  if (assembler_.take(*assembly, datagram, now_)) {
    stats_.add(Counter::kValueBytes, datagram.payload.size());
  } else {
    stats_.add(Counter::kFragmentsDropped);
  }
  if (assembly->complete()) {
    if (!assembly->stuck) advance(*assembly);
  } else if (datagram.header.retry) {
    reply_missing(request, *assembly);
  }
}

// Goes on as far as it can without another fragment: reserves memory, publishes what is complete.
void DatagramEngine::advance(Assembly& assembly) {
  const StoreMode mode = store_mode_of(assembly.header.op);
  StoreStatus status = assembler_.reserve(assembly, now_);
  if (status == StoreStatus::kStored && !assembly.complete()) {
    assembly.memory_wait.restart();
    return;
  }
  if (status == StoreStatus::kStored) status = publish(assembly, mode);
  if (assembly.memory_wait.goes_on(status, core_, now_.mono, stats_)) {
    assembly.stuck = true;
    stuck_.push_back(&assembly);
    return;
  }
  conclude(assembly, outcome_of(mode, status, assembly.key, assembly.key_hash));
}

StoreStatus DatagramEngine::publish(Assembly& assembly, StoreMode mode) {
  if (assembly.draft) {
    assembly.draft.filled_all();
    return core_.publish(mode, assembly.draft, assembly.cas, now_);
  }
  const ItemMeta meta{assembly.flags, assembly.expiry};
  return core_.put(mode, assembly.key, assembly.key_hash, meta,
                   {assembly.buffer, assembly.value_bytes()}, assembly.cas, now_);
}

void DatagramEngine::conclude(Assembly& assembly, const WriteOutcome& outcome) {
  window(assembly.peer).finish(assembly.ticket, outcome);
  Request request;
  request.in.peer = &assembly.peer;
  request.datagram.header = assembly.header;
  request.token = assembly.token;
  reply_outcome(request, outcome);
  if (plan_->is_large(assembly.value_bytes())) stats_.add(Counter::kLargeRequests);
  if (assembly.stuck) std::erase(stuck_, &assembly);
  assembler_.remove(assembly);
}

void DatagramEngine::abandon(Assembly& assembly) {
  window(assembly.peer).forget(assembly.ticket);
  if (assembly.stuck) std::erase(stuck_, &assembly);
  assembler_.remove(assembly);
}

// The first gaps, as many as a datagram names.
void DatagramEngine::reply_missing(const Request& request, const Assembly& assembly) {
  std::array<FragmentMap::Range, (kDatagramBytesMax - kDatagramHeaderBytes) / 8> gaps;
  static_assert(sizeof(FragmentMap::Range) == 8);
  const std::size_t used = assembly.fragments.gaps(gaps);
  reply_status(request, DatagramStatus::kMissing,
               {reinterpret_cast<const char*>(gaps.data()), used * sizeof gaps[0]});
}

}  // namespace minos
