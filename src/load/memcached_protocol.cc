#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "load/protocol.h"

namespace minos {
namespace {

using Kind = ReplyLine::Kind;

class MemcachedProtocol final : public LoadProtocol {
 public:
  void encode_get(const KeySpace::Key& key, OutputBuffer& out) const override {
    constexpr std::string_view kTemplate = "get 00000000\r\n";
    char text[kTemplate.size()];
    std::memcpy(text, kTemplate.data(), kTemplate.size());
    std::memcpy(text + 4, key.data(), key.size());
    out.copy({text, kTemplate.size()});
  }

  void encode_set(const KeySpace::Key& key, std::string_view value,
                  OutputBuffer& out) const override {
    char text[48];
    const auto end = fmt::format_to(text, "set {} 0 0 {}\r\n",
                                    std::string_view(key.data(), key.size()), value.size());
    out.copy({text, static_cast<std::size_t>(end - text)});
    append_value(value, out);
    out.copy("\r\n");
  }

  ReplyLine parse_line(std::string_view line, LoadOp op) const override {
    if (op == LoadOp::kGet && line.starts_with("VALUE ")) return parse_value(line);
    if (op == LoadOp::kGet && line == "END") return {Kind::kComplete, ReplyStatus::kMiss};
    if (op == LoadOp::kSet && line == "STORED") return {Kind::kComplete, ReplyStatus::kStored};
    const bool refused = line == "ERROR" || line == "NOT_STORED" ||
                         line.starts_with("SERVER_ERROR") || line.starts_with("CLIENT_ERROR");
    return {refused ? Kind::kComplete : Kind::kBroken, ReplyStatus::kRefused};
  }

  std::string_view trailer() const override { return "\r\nEND\r\n"; }

 private:
  // VALUE key flags bytes. The key is not compared: the order of replies says whose value it is.
  static ReplyLine parse_value(std::string_view line) {
    const std::size_t last_space = line.rfind(' ');
    ReplyLine out{.kind = Kind::kBody, .status = ReplyStatus::kHit};
    const char* const end = line.data() + line.size();
    const auto parsed = std::from_chars(line.data() + last_space + 1, end, out.body_bytes);
    if (parsed.ec != std::errc() || parsed.ptr != end) out.kind = Kind::kBroken;
    return out;
  }
};

}  // namespace

const LoadProtocol& memcached_protocol() {
  static const MemcachedProtocol protocol;
  return protocol;
}

}  // namespace minos
