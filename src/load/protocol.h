#pragma once

#include <cstdint>
#include <string_view>

#include "load/key_space.h"
#include "load/output_buffer.h"
#include "load/request_stream.h"

namespace minos {

// Text over TCP, or Minos datagrams over the kernel's UDP or over DPDK.
enum class ProtocolKind : std::uint8_t { kMemcached, kRedis, kUdp, kDpdk };

constexpr std::string_view protocol_name(ProtocolKind kind) {
  constexpr std::string_view kNames[] = {"memcached", "redis", "udp", "dpdk"};
  return kNames[static_cast<std::size_t>(kind)];
}

inline bool is_datagrams(ProtocolKind kind) {
  return kind == ProtocolKind::kUdp || kind == ProtocolKind::kDpdk;
}

enum class ReplyStatus : std::uint8_t {
  kHit,
  kMiss,
  kStored,
  kRefused,       // an error reply
  kWrongSize,     // a value, but not as long as the key's
  kWrongContent,  // only where content is verified
  kNone,          // no reply within the time that one has
};

// What the first line of a reply says.
struct ReplyLine {
  enum class Kind : std::uint8_t { kComplete, kBody, kBroken };
  Kind kind = Kind::kBroken;
  ReplyStatus status = ReplyStatus::kRefused;  // of kComplete
  std::uint64_t body_bytes = 0;                // of kBody: these follow, and then the trailer
};

// What to say to a server over TCP, and what its answers mean. Stateless: Session keeps the state.
// Every reply is one line, and for a hit a body and a fixed trailer.
class LoadProtocol {
 public:
  virtual ~LoadProtocol() = default;

  virtual void encode_get(const KeySpace::Key& key, OutputBuffer& out) const = 0;
  // `value` outlives the sending of it.
  virtual void encode_set(const KeySpace::Key& key, std::string_view value,
                          OutputBuffer& out) const = 0;
  // `line` comes without its line end. Any bytes are fine.
  virtual ReplyLine parse_line(std::string_view line, LoadOp op) const = 0;
  virtual std::string_view trailer() const = 0;
};

const LoadProtocol& memcached_protocol();
const LoadProtocol& redis_protocol();

// Of one that is not datagrams.
inline const LoadProtocol& protocol_of(ProtocolKind kind) {
  return kind == ProtocolKind::kMemcached ? memcached_protocol() : redis_protocol();
}

// Longer values are sent from where they are.
inline constexpr std::size_t kCopiedValueBytesMax = 2048;

inline void append_value(std::string_view value, OutputBuffer& out) {
  if (value.size() <= kCopiedValueBytesMax) {
    out.copy(value);
  } else {
    out.refer(value);
  }
}

}  // namespace minos
