#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string_view>

#include "base/limits.h"
#include "base/units.h"

// The Minos datagram protocol, docs/PROTOCOL.md. Pure: one datagram in, a view of it or the reason
// why it is none out; the front of a datagram written into memory of the caller's.
namespace minos {

inline constexpr std::uint8_t kDatagramMagic = 0x6d;
inline constexpr std::uint8_t kDatagramVersion = 1;
inline constexpr std::size_t kDatagramHeaderBytes = 28;

// Of what a fragment may carry: below, the headers would cost more than the value.
inline constexpr std::uint16_t kFragmentBytesMin = 256;

enum class DatagramOp : std::uint8_t {
  kNoop,
  kGet,
  kSet,
  kAdd,
  kReplace,
  kCas,
  kDelete,
  kIncr,
  kDecr,
  kTouch,
  kMultiGet,
  kStats,
  kAppend,
  kPrepend,
  kGat,
  kFlushAll,
};
inline constexpr std::size_t kDatagramOps = 16;

enum class DatagramStatus : std::uint8_t {
  kOk,
  kNotFound,
  kExists,
  kTooLarge,
  kOutOfMemory,
  kNonNumeric,
  kBusy,
  kMalformed,
  kVersion,
  kToken,
  kChanged,
  kMissing,
};
inline constexpr std::size_t kDatagramStatuses = 12;

// What every datagram starts with.
struct DatagramHeader {
  DatagramOp op = DatagramOp::kNoop;
  bool reply = false;
  bool retry = false;                           // of a request
  DatagramStatus status = DatagramStatus::kOk;  // of a reply
  std::uint32_t request_id = 0;
  std::uint64_t token = 0;
  std::uint32_t value_bytes = 0;  // of the whole value
  std::uint32_t offset = 0;       // of this datagram's payload in it
  std::uint16_t fragment_bytes = 0;
  // Of a request: the RX queue that it is for, which only a server with a single port looks at. Of
  // a reply: how many RX queues the server has; 0: it does not say.
  std::uint8_t queue = 0;
};

// Which of the writes of a client to an RX queue a write is, however often it comes.
struct WriteId {
  std::uint32_t session = 0;  // drawn by the client when it begins
  std::uint32_t number = 0;   // counts its writes to the queue
  friend bool operator==(const WriteId&, const WriteId&) = default;
};

// Views point into the datagram. Of the fixed fields those count that the op has.
struct Datagram {
  DatagramHeader header;
  WriteId write;
  std::uint32_t flags = 0;
  std::uint32_t expiry = 0;
  std::uint64_t number = 0;  // cas id, delta, what incr and decr made of it, snapshot of stats
  std::string_view key;
  std::string_view payload;
};

// Why bytes are no datagram.
struct DatagramError {
  enum class Kind : std::uint8_t {
    kSilent,     // not ours, or too short to be answered
    kVersion,    // another version of the protocol
    kMalformed,  // `reason` names the field
  };
  Kind kind = Kind::kSilent;
  std::string_view reason;
  DatagramHeader header;  // as far as it could be read; not of kSilent
};

// Any bytes are fine. What is returned is in the ranges of the protocol: the key and the payload
// fit the header, and a fragment lies within its value at a multiple of fragment_bytes.
std::expected<Datagram, DatagramError> parse_request(std::string_view bytes);
std::expected<Datagram, DatagramError> parse_reply(std::string_view bytes);

// Bytes that come before the payload.
std::size_t front_bytes(const DatagramHeader& header, std::size_t key_bytes);
inline constexpr std::size_t kDatagramFrontBytesMax = kDatagramHeaderBytes + 24 + kKeyBytesMax;

// Writes header, fixed fields and key, all that comes before the payload, at `to`, which has room
// for kDatagramFrontBytesMax; returns how much that is.
std::size_t write_front(const Datagram& datagram, char* to);

// A request that is about one key.
bool has_key(DatagramOp op);
// A request that carries a value to store.
bool is_store(DatagramOp op);
// A request that changes something, so that it must not be executed twice.
bool is_write(DatagramOp op);

// Where a write of this key goes, of so many RX queues.
QueueId write_queue(std::string_view key, std::uint32_t queues);

// One entry of the payload of a multi-get request or of its reply; advances `payload` past it.
// nullopt where it ends, or is cut off.
std::optional<std::string_view> take_key(std::string_view& payload);
struct MultiGetEntry {
  std::uint16_t index = 0;  // of the key in the request
  DatagramStatus status = DatagramStatus::kOk;
  std::uint32_t flags = 0;
  std::uint64_t cas = 0;
  std::string_view value;
};
std::optional<MultiGetEntry> take_entry(std::string_view& payload);
inline constexpr std::size_t kMultiGetEntryBytes = 20;  // before the value
void write_entry(const MultiGetEntry& entry, char* to);

}  // namespace minos
