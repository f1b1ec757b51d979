#include "wire/datagram.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/hash.h"

namespace minos {
namespace {

static_assert(std::endian::native == std::endian::little, "words are copied as they are");

constexpr std::uint8_t kReplyBit = 0x80;
constexpr std::uint8_t kRetryFlag = 1;

constexpr std::size_t kKeyBytesAt = 26;
constexpr std::size_t kQueueAt = 27;

template <typename Word>
Word load(const char* from) {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

template <typename Word>
char* store(char* to, Word word) {
  std::memcpy(to, &word, sizeof word);
  return to + sizeof word;
}

// Which fixed fields follow the header, in this order.
struct Fields {
  bool write = false;
  bool flags = false;
  bool expiry = false;
  bool number = false;
  constexpr std::size_t bytes() const {
    return (write ? 8U : 0U) + (flags ? 4U : 0U) + (expiry ? 4U : 0U) + (number ? 8U : 0U);
  }
};

constexpr Fields request_fields(DatagramOp op) {
  switch (op) {
    case DatagramOp::kSet:
    case DatagramOp::kAdd:
    case DatagramOp::kReplace:
      return {.write = true, .flags = true, .expiry = true};
    case DatagramOp::kCas:
      return {.write = true, .flags = true, .expiry = true, .number = true};
    case DatagramOp::kGet:
      return {.number = true};
    case DatagramOp::kIncr:
    case DatagramOp::kDecr:
      return {.write = true, .number = true};
    case DatagramOp::kGat:
      return {.expiry = true};
    case DatagramOp::kTouch:
    case DatagramOp::kFlushAll:
      return {.write = true, .expiry = true};
    case DatagramOp::kDelete:
    case DatagramOp::kAppend:
    case DatagramOp::kPrepend:
      return {.write = true};
    default:
      return {};
  }
}

// Only a reply that says ok has any.
constexpr Fields reply_fields(DatagramOp op, DatagramStatus status) {
  if (status != DatagramStatus::kOk) return {};
  switch (op) {
    case DatagramOp::kGet:
    case DatagramOp::kGat:
      return {.flags = true, .number = true};
    case DatagramOp::kSet:
    case DatagramOp::kAdd:
    case DatagramOp::kReplace:
    case DatagramOp::kCas:
    case DatagramOp::kAppend:
    case DatagramOp::kPrepend:
    case DatagramOp::kIncr:
    case DatagramOp::kDecr:
    case DatagramOp::kStats:
      return {.number = true};
    default:
      return {};
  }
}

constexpr Fields fields_of(const DatagramHeader& header) {
  return header.reply ? reply_fields(header.op, header.status) : request_fields(header.op);
}

// Does the payload carry the value that value_bytes and offset speak of?
bool carries_value(const DatagramHeader& header) {
  if (!header.reply) return is_store(header.op);
  return header.status == DatagramStatus::kOk &&
         (header.op == DatagramOp::kGet || header.op == DatagramOp::kGat ||
          header.op == DatagramOp::kStats);
}

std::unexpected<DatagramError> malformed(const DatagramHeader& header, std::string_view reason) {
  return std::unexpected(DatagramError{DatagramError::Kind::kMalformed, reason, header});
}

// A fragment within its value: the whole value, or what its place says.
std::string_view fragment_error(const DatagramHeader& header, std::size_t payload_bytes) {
  if (header.value_bytes > kItemBytesMax) return "value bytes";
  if (header.offset > header.value_bytes) return "offset";
  const std::uint32_t left = header.value_bytes - header.offset;
  if (payload_bytes == header.value_bytes && header.offset == 0) return {};
  if (header.fragment_bytes < kFragmentBytesMin) return "fragment bytes";
  if (header.offset % header.fragment_bytes != 0) return "offset";
  if (payload_bytes == 0) return "payload";
  const std::size_t wanted = left < header.fragment_bytes ? left : header.fragment_bytes;
  return payload_bytes == wanted ? std::string_view() : "payload";
}

// The part of the value that a get asks for; a gat asks for all of it.
std::string_view range_error(const DatagramHeader& header) {
  if (header.op == DatagramOp::kGat && header.offset != 0) return "offset";
  if (header.op == DatagramOp::kGat && header.value_bytes != 0) return "value bytes";
  if (header.value_bytes > kItemBytesMax) return "value bytes";
  if (header.fragment_bytes != 0 && header.fragment_bytes < kFragmentBytesMin) {
    return "fragment bytes";
  }
  if (header.offset == 0) return {};
  if (header.value_bytes == 0 || header.offset > kItemBytesMax) return "offset";
  if (header.fragment_bytes == 0) return "fragment bytes";
  return header.offset % header.fragment_bytes == 0 ? std::string_view() : "offset";
}

std::expected<Datagram, DatagramError> parse(std::string_view bytes, bool reply) {
  if (bytes.size() < kDatagramHeaderBytes) return std::unexpected(DatagramError());
  const char* const at = bytes.data();
  const auto op = load<std::uint8_t>(at + 2);
  if (load<std::uint8_t>(at) != kDatagramMagic || ((op & kReplyBit) != 0) != reply) {
    return std::unexpected(DatagramError());
  }
  Datagram out;
  DatagramHeader& header = out.header;
  header.reply = reply;
  header.request_id = load<std::uint32_t>(at + 4);
  header.token = load<std::uint64_t>(at + 8);
  if (load<std::uint8_t>(at + 1) != kDatagramVersion) {
    return std::unexpected(DatagramError{DatagramError::Kind::kVersion, "version", header});
  }
  if ((op & ~kReplyBit) >= kDatagramOps) return malformed(header, "op");
  header.op = static_cast<DatagramOp>(op & ~kReplyBit);
  const auto flags = load<std::uint8_t>(at + 3);
  if (reply ? flags >= kDatagramStatuses : (flags & ~kRetryFlag) != 0) {
    return malformed(header, reply ? "status" : "flags");
  }
  header.retry = !reply && flags == kRetryFlag;
  if (reply) header.status = static_cast<DatagramStatus>(flags);
  header.value_bytes = load<std::uint32_t>(at + 16);
  header.offset = load<std::uint32_t>(at + 20);
  header.fragment_bytes = load<std::uint16_t>(at + 24);
  const std::size_t key_bytes = load<std::uint8_t>(at + kKeyBytesAt);
  header.queue = load<std::uint8_t>(at + kQueueAt);
  const bool keyed = !reply && has_key(header.op);
  if (key_bytes > kKeyBytesMax || (key_bytes != 0) != keyed) return malformed(header, "key bytes");

  const Fields fields = fields_of(header);
  const std::size_t front = kDatagramHeaderBytes + fields.bytes() + key_bytes;
  if (bytes.size() < front) return malformed(header, "length");
  const char* field = at + kDatagramHeaderBytes;
  if (fields.write) {
    out.write = {load<std::uint32_t>(field), load<std::uint32_t>(field + 4)};
    field += 8;
  }
  if (fields.flags) {
    out.flags = load<std::uint32_t>(field);
    field += 4;
  }
  if (fields.expiry) {
    out.expiry = load<std::uint32_t>(field);
    field += 4;
  }
  if (fields.number) {
    out.number = load<std::uint64_t>(field);
    field += 8;
  }
  out.key = {field, key_bytes};
  out.payload = bytes.substr(front);
  if (carries_value(header)) {
    const std::string_view reason = fragment_error(header, out.payload.size());
    if (!reason.empty()) return malformed(header, reason);
  } else if (keyed && !out.payload.empty()) {
    return malformed(header, "payload");
  }
  if (!reply && (header.op == DatagramOp::kGet || header.op == DatagramOp::kGat)) {
    const std::string_view reason = range_error(header);
    if (!reason.empty()) return malformed(header, reason);
  }
  return out;
}

}  // namespace

bool has_key(DatagramOp op) {
  return op != DatagramOp::kNoop && op != DatagramOp::kMultiGet && op != DatagramOp::kStats &&
         op != DatagramOp::kFlushAll;
}

bool is_store(DatagramOp op) {
  switch (op) {
    case DatagramOp::kSet:
    case DatagramOp::kAdd:
    case DatagramOp::kReplace:
    case DatagramOp::kCas:
    case DatagramOp::kAppend:
    case DatagramOp::kPrepend:
      return true;
    default:
      return false;
  }
}

bool is_write(DatagramOp op) {
  switch (op) {
    case DatagramOp::kDelete:
    case DatagramOp::kIncr:
    case DatagramOp::kDecr:
    case DatagramOp::kTouch:
    case DatagramOp::kFlushAll:
      return true;
    default:
      return is_store(op);
  }
}

QueueId write_queue(std::string_view key, std::uint32_t queues) {
  return QueueId{static_cast<std::uint16_t>((hash_key(key) >> 32) * queues >> 32)};
}

std::expected<Datagram, DatagramError> parse_request(std::string_view bytes) {
  return parse(bytes, false);
}

std::expected<Datagram, DatagramError> parse_reply(std::string_view bytes) {
  return parse(bytes, true);
}

std::size_t front_bytes(const DatagramHeader& header, std::size_t key_bytes) {
  return kDatagramHeaderBytes + fields_of(header).bytes() + key_bytes;
}

std::size_t write_front(const Datagram& datagram, char* to) {
  const DatagramHeader& header = datagram.header;
  const Fields fields = fields_of(header);
  const auto op = static_cast<std::uint8_t>(header.op);
  const auto status = static_cast<std::uint8_t>(header.status);
  char* at = to;
  at = store(at, kDatagramMagic);
  at = store(at, kDatagramVersion);
  at = store(at, static_cast<std::uint8_t>(header.reply ? op | kReplyBit : op));
  at = store(at, header.reply ? status : static_cast<std::uint8_t>(header.retry ? kRetryFlag : 0));
  at = store(at, header.request_id);
  at = store(at, header.token);
  at = store(at, header.value_bytes);
  at = store(at, header.offset);
  at = store(at, header.fragment_bytes);
  at = store(at, static_cast<std::uint8_t>(datagram.key.size()));
  at = store(at, header.queue);
  if (fields.write) at = store(store(at, datagram.write.session), datagram.write.number);
  if (fields.flags) at = store(at, datagram.flags);
  if (fields.expiry) at = store(at, datagram.expiry);
  if (fields.number) at = store(at, datagram.number);
  if (!datagram.key.empty()) std::memcpy(at, datagram.key.data(), datagram.key.size());
  return static_cast<std::size_t>(at - to) + datagram.key.size();
}

std::optional<std::string_view> take_key(std::string_view& payload) {
  if (payload.empty()) return std::nullopt;
  const std::size_t bytes = static_cast<std::uint8_t>(payload.front());
  if (bytes == 0 || bytes > kKeyBytesMax || payload.size() - 1 < bytes) return std::nullopt;
  const std::string_view key = payload.substr(1, bytes);
  payload.remove_prefix(1 + bytes);
  return key;
}

std::optional<MultiGetEntry> take_entry(std::string_view& payload) {
  if (payload.size() < kMultiGetEntryBytes) return std::nullopt;
  const char* const at = payload.data();
  const auto status = load<std::uint8_t>(at + 2);
  const auto bytes = load<std::uint32_t>(at + 16);
  if (status >= kDatagramStatuses || payload.size() - kMultiGetEntryBytes < bytes) {
    return std::nullopt;
  }
  MultiGetEntry entry;
  entry.index = load<std::uint16_t>(at);
  entry.status = static_cast<DatagramStatus>(status);
  entry.flags = load<std::uint32_t>(at + 4);
  entry.cas = load<std::uint64_t>(at + 8);
  entry.value = payload.substr(kMultiGetEntryBytes, bytes);
  payload.remove_prefix(kMultiGetEntryBytes + bytes);
  return entry;
}

void write_entry(const MultiGetEntry& entry, char* to) {
  to = store(to, entry.index);
  to = store(to, static_cast<std::uint8_t>(entry.status));
  to = store(to, std::uint8_t{0});
  to = store(to, entry.flags);
  to = store(to, entry.cas);
  to = store(to, static_cast<std::uint32_t>(entry.value.size()));
  if (!entry.value.empty()) std::memcpy(to, entry.value.data(), entry.value.size());
}

}  // namespace minos
