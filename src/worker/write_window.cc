#include "worker/write_window.h"

#include <algorithm>

#include "store/kv_store.h"
#include "worker/peer_hash.h"

namespace minos {
namespace {

// How far `number` is ahead of `newest`; below zero behind it. Numbers go round.
std::int32_t ahead(std::uint32_t number, std::uint32_t newest) {
  return static_cast<std::int32_t>(number - newest);
}

}  // namespace

WriteWindow::~WriteWindow() {
  while (!recent_.empty()) recent_.pop_front();
  store_.release_buffers(blocks_.size() * sizeof(Block));
}

std::size_t WriteWindow::PeerHash::operator()(const Peer& peer) const {
  return hash_of_client(peer, 0);
}

WriteWindow::Entry WriteWindow::begin(const Peer& peer, WriteId id, CoreId owner, Nanos now) {
  const std::lock_guard lock(mutex_);
  Client* const found = find_or_add(peer, id, now);
  if (found == nullptr) return {};
  Client& client = *found;
  client.active = now;
  recent_.remove(client);
  recent_.push_back(client);
  if (id.session != client.session) {
    // Another program has the address. What the one before it has left on its way is over.
    if (id.session == client.session_before) return {Entry::Kind::kStale, owner, {}, {}};
    client.session_before = client.session;
    client.start(id.session, id.number);
  }
  const std::int32_t from_newest = ahead(id.number, client.newest);
  if (from_newest > 0) client.newest = id.number;
  const Ticket ticket{client.index, id};
  Slot& slot = client.slots[id.number % kWriteWindow];
  if (slot.number == id.number && slot.state != Slot::State::kFree) {
    const bool done = slot.state == Slot::State::kDone;
    return {done ? Entry::Kind::kDone : Entry::Kind::kRunning, slot.owner, slot.outcome, ticket};
  }
  // A core that held it up for longer than the client did without an answer.
  if (from_newest <= -static_cast<std::int32_t>(kWriteWindow)) {
    return {Entry::Kind::kStale, owner, {}, {}};
  }
  slot = {{}, id.number, owner, Slot::State::kRunning};
  return {Entry::Kind::kNew, owner, {}, ticket};
}

void WriteWindow::finish(const Ticket& ticket, const WriteOutcome& outcome) {
  const std::lock_guard lock(mutex_);
  Slot* const slot = slot_of(ticket);
  if (slot == nullptr) return;
  slot->outcome = outcome;
  slot->state = Slot::State::kDone;
}

void WriteWindow::forget(const Ticket& ticket) {
  const std::lock_guard lock(mutex_);
  Slot* const slot = slot_of(ticket);
  if (slot != nullptr) slot->state = Slot::State::kFree;
}

std::size_t WriteWindow::clients() const {
  const std::lock_guard lock(mutex_);
  return by_peer_.size();
}

// Of a write that is still noted as under way.
WriteWindow::Slot* WriteWindow::slot_of(const Ticket& ticket) const {
  Client& owner = client(ticket.client);
  Slot& slot = owner.slots[ticket.id.number % kWriteWindow];
  const bool same = owner.session == ticket.id.session && slot.number == ticket.id.number;
  return same && slot.state == Slot::State::kRunning ? &slot : nullptr;
}

WriteWindow::Client* WriteWindow::find_or_add(const Peer& peer, WriteId id, Nanos now) {
  const auto found = by_peer_.find(peer);
  if (found != by_peer_.end()) return found->second;
  Client* const client = unused(now);
  if (client == nullptr) return nullptr;
  client->start(id.session, id.number);
  client->session_before.reset();
  client->peer = peer;
  by_peer_.emplace(peer, client);
  return client;
}

WriteWindow::Client* WriteWindow::unused(Nanos now) {
  if (free_.empty() && !add_block()) {
    if (recent_.empty() || now - recent_.front().active < kWriteMemory) return nullptr;
    Client& oldest = recent_.pop_front();
    by_peer_.erase(oldest.peer);
    return &oldest;
  }
  Client* const client = free_.back();
  free_.pop_back();
  return client;
}

bool WriteWindow::add_block() {
  if ((blocks_.size() + 1) * kClientsPerBlock > kWriteClientsMax) return false;
  if (!store_.charge_buffers(sizeof(Block))) return false;
  auto block = std::make_unique<Block>();
  for (std::uint32_t i = 0; i < kClientsPerBlock; ++i) {
    Client& client = (*block)[i];
    client.index = static_cast<std::uint32_t>(blocks_.size()) * kClientsPerBlock + i;
    free_.push_back(&client);
  }
  blocks_.push_back(std::move(block));
  return true;
}

}  // namespace minos
