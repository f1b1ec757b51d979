#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wire/datagram.h"
#include "worker/testing/fake_server.h"

namespace minos {

// A client that a test leads by the hand: no retries, no windows of its own.
class DatagramClient {
 public:
  struct Reply {
    Datagram datagram;  // views into `bytes`
    std::string bytes;
    Peer peer;
  };

  explicit DatagramClient(FakeServer& server, std::uint16_t port = 1000) : server_(server) {
    peer_.port = port;
  }

  std::uint64_t token = 0;

  static Datagram request(DatagramOp op, std::string_view key = {}, std::string_view value = {}) {
    Datagram out;
    out.header.op = op;
    out.key = key;
    out.payload = value;
    if (is_store(op)) out.header.value_bytes = static_cast<std::uint32_t>(value.size());
    return out;
  }

  void send(Datagram datagram, std::uint32_t id, std::uint16_t queue = 0) {
    datagram.header.request_id = id;
    datagram.header.token = token;
    if (datagram.write == WriteId()) datagram.write.number = id;
    std::string bytes(kDatagramFrontBytesMax, '\0');
    bytes.resize(write_front(datagram, bytes.data()));
    bytes += datagram.payload;
    send_raw(bytes, queue);
  }
  void send_raw(std::string_view bytes, std::uint16_t queue = 0) {
    Peer peer = peer_;
    peer.queue = QueueId{queue};
    server_.datagrams().send(peer, bytes);
  }

  // What the server has sent to this client so far.
  std::vector<Reply> take() {
    std::vector<Reply> out;
    auto& packets = server_.datagrams().to_clients;
    for (auto it = packets.begin(); it != packets.end();) {
      if (!it->peer.same_client(peer_)) {
        ++it;
        continue;
      }
      Reply reply{{}, std::move(it->bytes), it->peer};
      out.push_back(std::move(reply));
      it = packets.erase(it);
    }
    for (Reply& reply : out) {
      const auto parsed = parse_reply(reply.bytes);
      CHECK(parsed.has_value());
      reply.datagram = *parsed;
    }
    return out;
  }

  // Sends, runs the server, and returns the only reply.
  Reply ask(const Datagram& datagram, std::uint16_t queue = 0) {
    send(datagram, ++id_, queue);
    CHECK(server_.run());
    std::vector<Reply> replies = take();
    CHECK(replies.size() == 1);
    replies[0].datagram = *parse_reply(replies[0].bytes);
    return std::move(replies[0]);
  }
  DatagramStatus status(const Datagram& datagram, std::uint16_t queue = 0) {
    return ask(datagram, queue).datagram.header.status;
  }

  void learn_token() { token = ask(request(DatagramOp::kNoop)).datagram.header.token; }

  static std::vector<Datagram> fragments(const Datagram& store, std::uint16_t fragment_bytes) {
    std::vector<Datagram> out;
    const std::string_view value = store.payload;
    for (std::size_t at = 0; at < value.size(); at += fragment_bytes) {
      Datagram part = store;
      part.header.fragment_bytes = fragment_bytes;
      part.header.offset = static_cast<std::uint32_t>(at);
      part.payload = value.substr(at, fragment_bytes);
      out.push_back(part);
    }
    return out;
  }

  // What get replies add up to; nullopt unless every byte came.
  static std::optional<std::string> value_of(const std::vector<Reply>& replies) {
    std::string value;
    std::size_t got = 0;
    for (const Reply& reply : replies) {
      const auto parsed = parse_reply(reply.bytes);
      if (parsed->header.status != DatagramStatus::kOk) return std::nullopt;
      value.resize(parsed->header.value_bytes);
      std::memcpy(value.data() + parsed->header.offset, parsed->payload.data(),
                  parsed->payload.size());
      got += parsed->payload.size();
    }
    if (replies.empty() || got != value.size()) return std::nullopt;
    return value;
  }
  std::optional<std::string> get(std::string_view key, std::uint16_t queue = 0) {
    send(request(DatagramOp::kGet, key), ++id_, queue);
    CHECK(server_.run());
    return value_of(take());
  }

  std::uint32_t next_id() { return ++id_; }

 private:
  FakeServer& server_;
  Peer peer_;
  std::uint32_t id_ = 0;
};

}  // namespace minos
