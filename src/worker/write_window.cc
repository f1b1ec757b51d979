#include "worker/write_window.h"

#include <algorithm>

#include "store/kv_store.h"
#include "worker/peer_hash.h"

namespace minos {

WriteWindow::~WriteWindow() {
  while (!recent_.empty()) recent_.pop_front();
  store_.release_buffers(blocks_.size() * sizeof(Block));
}

std::size_t WriteWindow::PeerHash::operator()(const Peer& peer) const {
  return hash_of_client(peer, 0);
}

WriteWindow::Entry WriteWindow::begin(const Peer& peer, std::uint32_t request_id, CoreId owner,
                                      Nanos now) {
  const std::lock_guard lock(mutex_);
  Client* const found = find_or_add(peer, now);
  if (found == nullptr) return {};
  Client& client = *found;
  client.active = now;
  recent_.remove(client);
  recent_.push_back(client);
  const auto at = std::ranges::find(client.ids, request_id);
  auto index = static_cast<std::uint16_t>(at - client.ids.begin());
  // A slot that was never used has the id 0, which a client may use as well.
  if (at != client.ids.end() && client.slots[index].state == Slot::State::kFree) {
    const auto again = std::find_if(at, client.ids.end(), [&](const std::uint32_t& id) {
      const auto i = static_cast<std::size_t>(&id - client.ids.data());
      return id == request_id && client.slots[i].state != Slot::State::kFree;
    });
    index = static_cast<std::uint16_t>(again - client.ids.begin());
  }
  if (index == kWriteWindowSlots) {
    index = client.next;
    client.next = static_cast<std::uint16_t>((index + 1) % kWriteWindowSlots);
    client.ids[index] = request_id;
    client.slots[index] = {{}, owner, Slot::State::kRunning};
    return {Entry::Kind::kNew, owner, {}, {client.index, request_id, index}};
  }
  const Slot& slot = client.slots[index];
  const bool done = slot.state == Slot::State::kDone;
  return {done ? Entry::Kind::kDone : Entry::Kind::kRunning,
          slot.owner,
          slot.outcome,
          {client.index, request_id, index}};
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

// Of a write that is still noted as under way. A client that was given up for another one in the
// middle of a write could be taken for it only if the other used the same id in the same slot.
WriteWindow::Slot* WriteWindow::slot_of(const Ticket& ticket) const {
  Client& owner = client(ticket.client);
  Slot& slot = owner.slots[ticket.slot];
  const bool same = owner.ids[ticket.slot] == ticket.request_id;
  return same && slot.state == Slot::State::kRunning ? &slot : nullptr;
}

WriteWindow::Client* WriteWindow::find_or_add(const Peer& peer, Nanos now) {
  const auto found = by_peer_.find(peer);
  if (found != by_peer_.end()) return found->second;
  Client* const client = unused(now);
  if (client == nullptr) return nullptr;
  client->ids.fill(0);
  client->slots.fill({});
  client->next = 0;
  client->peer = peer;
  by_peer_.emplace(peer, client);
  return client;
}

WriteWindow::Client* WriteWindow::unused(Nanos now) {
  if (free_.empty() && !recent_.empty() && now - recent_.front().active >= kWriteMemory) {
    Client& oldest = recent_.pop_front();
    by_peer_.erase(oldest.peer);
    return &oldest;
  }
  if (free_.empty() && !add_block()) return nullptr;
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
