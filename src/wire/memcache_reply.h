#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/limits.h"

// Replies of the memcached text protocol, worded as memcached 1.6 words them.
namespace minos {

namespace text_reply {

inline constexpr std::string_view kStored = "STORED\r\n";
inline constexpr std::string_view kNotStored = "NOT_STORED\r\n";
inline constexpr std::string_view kExists = "EXISTS\r\n";
inline constexpr std::string_view kNotFound = "NOT_FOUND\r\n";
inline constexpr std::string_view kDeleted = "DELETED\r\n";
inline constexpr std::string_view kTouched = "TOUCHED\r\n";
inline constexpr std::string_view kOk = "OK\r\n";
inline constexpr std::string_view kEnd = "END\r\n";
inline constexpr std::string_view kLineEnd = "\r\n";  // after a value

inline constexpr std::string_view kError = "ERROR\r\n";
inline constexpr std::string_view kBadLine = "CLIENT_ERROR bad command line format\r\n";
inline constexpr std::string_view kBadDataChunk = "CLIENT_ERROR bad data chunk\r\n";
inline constexpr std::string_view kBadDelete =
    "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n";
inline constexpr std::string_view kBadDelta = "CLIENT_ERROR invalid numeric delta argument\r\n";
inline constexpr std::string_view kBadExptime = "CLIENT_ERROR invalid exptime argument\r\n";
inline constexpr std::string_view kNonNumeric =
    "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
inline constexpr std::string_view kBadShutdownMode = "CLIENT_ERROR invalid shutdown mode\r\n";
inline constexpr std::string_view kShutdownOff = "ERROR: shutdown not enabled\r\n";
inline constexpr std::string_view kTooLarge = "SERVER_ERROR object too large for cache\r\n";
inline constexpr std::string_view kOutOfMemory = "SERVER_ERROR out of memory storing object\r\n";
inline constexpr std::string_view kOutOfMemoryIncr = "SERVER_ERROR out of memory in incr\r\n";
inline constexpr std::string_view kTooManyConnections = "ERROR Too many open connections\r\n";

}  // namespace text_reply

inline constexpr std::size_t kDecimalBytesMax = 20;

// "VALUE <key> <flags> <bytes>[ <cas>]\r\n"
inline constexpr std::size_t kValueHeaderBytesMax =
    6 + kKeyBytesMax + 1 + 10 + 1 + kDecimalBytesMax + 1 + kDecimalBytesMax + 2;

inline constexpr std::size_t kNumberReplyBytesMax = kDecimalBytesMax + 2;

// Each writes at `out`, which has room for the bound above, and returns the bytes written.
std::size_t write_decimal(char* out, std::uint64_t value);
std::size_t write_value_header(char* out, std::string_view key, std::uint32_t flags,
                               std::uint64_t value_bytes, std::optional<std::uint64_t> cas);
// "<value>\r\n", the reply of incr and decr.
std::size_t write_number_reply(char* out, std::uint64_t value);

}  // namespace minos
