#include "wire/memcache_reply.h"

#include <charconv>
#include <cstring>

namespace minos {
namespace {

char* append(char* out, std::string_view bytes) {
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

char* append(char* out, std::uint64_t value) {
  return std::to_chars(out, out + kDecimalBytesMax, value).ptr;
}

}  // namespace

std::size_t write_decimal(char* out, std::uint64_t value) {
  return static_cast<std::size_t>(append(out, value) - out);
}

std::size_t write_value_header(char* out, std::string_view key, std::uint32_t flags,
                               std::uint64_t value_bytes, std::optional<std::uint64_t> cas) {
  char* p = append(out, "VALUE ");
  p = append(p, key);
  *p++ = ' ';
  p = append(p, std::uint64_t{flags});
  *p++ = ' ';
  p = append(p, value_bytes);
  if (cas) {
    *p++ = ' ';
    p = append(p, *cas);
  }
  p = append(p, text_reply::kLineEnd);
  return static_cast<std::size_t>(p - out);
}

std::size_t write_number_reply(char* out, std::uint64_t value) {
  char* p = append(append(out, value), text_reply::kLineEnd);
  return static_cast<std::size_t>(p - out);
}

}  // namespace minos
