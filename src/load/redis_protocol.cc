#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "load/protocol.h"

namespace minos {
namespace {

using Kind = ReplyLine::Kind;

// RESP2, as redis and its kin speak it without HELLO.
class RedisProtocol final : public LoadProtocol {
 public:
  void encode_get(const KeySpace::Key& key, OutputBuffer& out) const override {
    constexpr std::string_view kTemplate = "*2\r\n$3\r\nGET\r\n$8\r\n00000000\r\n";
    constexpr std::size_t kKeyAt = kTemplate.size() - 2 - KeySpace::kKeyBytes;
    char text[kTemplate.size()];
    std::memcpy(text, kTemplate.data(), kTemplate.size());
    std::memcpy(text + kKeyAt, key.data(), key.size());
    out.copy({text, kTemplate.size()});
  }

  void encode_set(const KeySpace::Key& key, std::string_view value,
                  OutputBuffer& out) const override {
    char text[64];
    const auto end = fmt::format_to(text, "*3\r\n$3\r\nSET\r\n$8\r\n{}\r\n${}\r\n",
                                    std::string_view(key.data(), key.size()), value.size());
    out.copy({text, static_cast<std::size_t>(end - text)});
    append_value(value, out);
    out.copy("\r\n");
  }

  ReplyLine parse_line(std::string_view line, LoadOp op) const override {
    if (line.starts_with('-')) return {Kind::kComplete, ReplyStatus::kRefused};
    if (op == LoadOp::kSet) {
      return {line == "+OK" ? Kind::kComplete : Kind::kBroken, ReplyStatus::kStored};
    }
    if (line == "$-1") return {Kind::kComplete, ReplyStatus::kMiss};
    ReplyLine out{.kind = Kind::kBody, .status = ReplyStatus::kHit};
    if (line.size() < 2 || line[0] != '$') return {};
    const char* const end = line.data() + line.size();
    const auto parsed = std::from_chars(line.data() + 1, end, out.body_bytes);
    if (parsed.ec != std::errc() || parsed.ptr != end) return {};
    return out;
  }

  std::string_view trailer() const override { return "\r\n"; }
};

}  // namespace

const LoadProtocol& redis_protocol() {
  static const RedisProtocol protocol;
  return protocol;
}

}  // namespace minos
