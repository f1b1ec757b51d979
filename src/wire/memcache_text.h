#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/limits.h"

// The memcached text protocol, requests only (protocol.txt of memcached). Pure: bytes in,
// {need more | command, consumed | error, consumed} out; nothing is copied.
namespace minos {

enum class TextOp : std::uint8_t {
  kGet,
  kGets,
  kGat,
  kGats,
  kSet,
  kAdd,
  kReplace,
  kAppend,
  kPrepend,
  kCas,
  kDelete,
  kIncr,
  kDecr,
  kTouch,
  kFlushAll,
  kVersion,
  kVerbosity,
  kStats,
  kQuit,
  kShutdown,
};

// One command. Views point into the bytes that were parsed.
struct TextCommand {
  TextOp op = TextOp::kVersion;
  bool noreply = false;
  bool last_key = true;  // of a retrieval: no further key follows on its line
  std::uint32_t flags = 0;
  std::string_view key;
  std::int64_t exptime = 0;  // as sent: relative, absolute or negative; of kFlushAll, the delay
  std::uint64_t value_bytes = 0;  // of a storage command: its body, followed by \r\n, comes next
  std::uint64_t cas = 0;
  std::uint64_t delta = 0;
  std::string_view argument;  // of kStats and kVerbosity: the rest of the line; of kShutdown too
};

struct TextError {
  std::string_view reply;           // whole line with \r\n; empty after a noreply
  std::uint64_t swallow_bytes = 0;  // body that follows and must be discarded
  bool close = false;               // the stream cannot be kept in step
};

struct TextParse {
  enum class Kind : std::uint8_t { kNeedMore, kCommand, kError };
  Kind kind = Kind::kNeedMore;
  std::size_t consumed = 0;  // bytes of input done with; 0 when more is needed
  TextCommand command;       // beside an error with swallow_bytes: the command that was refused,
                             // because a refused `set` also deletes what it was to replace
  TextError error;           // one with an empty reply, nothing to swallow and no close is
                             // consumed input and no more
};

// A retrieval's verb, blanks, key and the blanks before what follows it.
inline constexpr std::size_t kTextLookaheadBytes =
    2 * (kCommandLineBytesMax + 1) + kKeyBytesMax + 2;
static_assert(kTextLookaheadBytes <= kStreamInputBytes);

// Parses one connection's stream. A retrieval of many keys yields one command per key as the keys
// arrive, so that a line of any length needs no more buffer than one key; the parser remembers
// where in the line it is. Storage bodies are not seen by the parser: the caller takes them.
class TextParser {
 public:
  // `value_bytes_max` is the -I limit: a storage command above it is answered as too large.
  explicit TextParser(std::uint64_t value_bytes_max) : value_bytes_max_(value_bytes_max) {}

  // After kNeedMore, call again with the same bytes and more. At most kTextLookaheadBytes are ever
  // needed, so a buffer of that size never fills up without a result.
  TextParse parse(std::string_view input);

 private:
  enum class State : std::uint8_t {
    kLine,      // at the start of a line
    kKeys,      // at the first byte of a further key of a retrieval
    kSkipLine,  // discarding up to and including the next newline
  };

  TextParse parse_line(std::string_view input);
  TextParse begin_keys(std::string_view input, TextOp op, std::size_t pos);
  TextParse parse_key(std::string_view input, std::size_t pos);
  TextParse skip_line(std::string_view input);

  std::uint64_t value_bytes_max_;
  std::int64_t keys_exptime_ = 0;
  TextOp keys_op_ = TextOp::kGet;
  State state_ = State::kLine;
};

}  // namespace minos
