#include "worker/testing/fake_datagrams.h"

#include <memory>
#include <utility>

#include "base/check.h"

namespace minos {

namespace {

struct Kept {
  std::string bytes;
  FakeDatagrams* plane;
};

void release(void* buffer) {
  const std::unique_ptr<Kept> kept(static_cast<Kept*>(buffer));
  --kept->plane->kept;
}

}  // namespace

void FakePort::receive(std::span<const RxQueueQuota> queues, std::vector<RxPacket>& packets,
                       std::uint32_t& full) {
  received_.clear();
  for (const RxQueueQuota& wanted : queues) {
    std::deque<FakeDatagrams::Packet>& queue = plane_.to_server_[wanted.queue.value];
    if (queue.size() < wanted.waiting_min) continue;
    std::uint32_t taken = 0;
    for (; taken < wanted.packets_max && !queue.empty(); ++taken) {
      received_.push_back(std::move(queue.front()));
      queue.pop_front();
      packets.push_back({received_.back().peer, received_.back().bytes, nullptr});
    }
    if (taken == wanted.packets_max) ++full;
  }
}

char* FakePort::room(const Peer& peer) {
  if (full()) return nullptr;
  writing_.peer = peer;
  writing_.bytes.assign(kDatagramBytesMax, '\0');
  return writing_.bytes.data();
}

void FakePort::commit(std::size_t bytes) {
  CHECK(bytes <= writing_.bytes.size());
  writing_.bytes.resize(bytes);
  plane_.to_clients.push_back(std::move(writing_));
  ++sent_;
}

bool FakePort::gather(const Peer& peer, std::string_view front, std::span<const iovec> parts) {
  if (full()) return false;
  CHECK(parts.size() <= kDatagramPartsMax);
  std::string bytes(front);
  for (const iovec& part : parts) bytes.append(static_cast<char*>(part.iov_base), part.iov_len);
  CHECK(bytes.size() <= kDatagramBytesMax);
  plane_.to_clients.push_back({peer, std::move(bytes)});
  ++sent_;
  return true;
}

KeptPacket FakePort::keep(const RxPacket& packet) {
  auto kept = std::make_unique<Kept>(Kept{std::string(packet.bytes), &plane_});
  ++plane_.kept;
  const std::string_view bytes = kept->bytes;
  return KeptPacket(packet.peer, bytes, kept.release(), release);
}

void FakePort::flush() {
  sent_ = 0;
}

}  // namespace minos
