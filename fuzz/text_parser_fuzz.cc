#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "wire/memcache_text.h"

// Any stream, cut anywhere, gives the same commands and errors as the same stream whole, from a
// buffer of bounded size.
namespace minos {
namespace {

constexpr std::uint64_t kValueBytesMax = 64;
constexpr std::size_t kEveryByteMax = 400;  // its cost grows with the square

std::string describe(const TextParse& parsed) {
  const TextCommand& c = parsed.command;
  std::string out;
  const auto add = [&](auto value) { out += std::to_string(value) + ' '; };
  add(static_cast<int>(parsed.kind));
  add(static_cast<int>(c.op));
  add(c.noreply);
  add(c.last_key);
  add(c.flags);
  add(c.exptime);
  add(c.value_bytes);
  add(c.cas);
  add(c.delta);
  out.append(c.key).append("|").append(c.argument).append("|").append(parsed.error.reply);
  add(parsed.error.swallow_bytes);
  add(parsed.error.close);
  return out;
}

bool means_something(const TextParse& parsed) {
  return parsed.kind == TextParse::Kind::kCommand || !parsed.error.reply.empty() ||
         parsed.error.swallow_bytes != 0 || parsed.error.close;
}

void check_bounds(const TextParse& parsed, std::string_view input) {
  CHECK(parsed.consumed <= input.size());
  if (parsed.kind == TextParse::Kind::kNeedMore) {
    CHECK(parsed.consumed == 0);
    CHECK(input.size() < kTextLookaheadBytes);
    return;
  }
  CHECK(parsed.consumed > 0);
  CHECK(parsed.command.key.size() <= kKeyBytesMax);
  for (const std::string_view view : {parsed.command.key, parsed.command.argument}) {
    if (view.empty()) continue;
    CHECK(view.data() >= input.data());
    CHECK(view.data() + view.size() <= input.data() + parsed.consumed);
  }
}

// Plays a connection that receives `cuts[i]` bytes at a time and skips bodies as a server does.
std::vector<std::string> trace(std::string_view stream, const std::vector<std::size_t>& cuts) {
  TextParser parser(kValueBytesMax);
  std::vector<std::string> out;
  std::size_t begin = 0;
  std::size_t end = 0;
  for (std::size_t i = 0; end < stream.size(); ++i) {
    end = i < cuts.size() ? std::min(stream.size(), end + cuts[i]) : stream.size();
    while (begin < end) {
      // A copy of exactly these bytes, so that reading beyond them is seen.
      const std::size_t bytes = end - begin;
      const auto copy = std::make_unique_for_overwrite<char[]>(bytes);
      std::memcpy(copy.get(), stream.data() + begin, bytes);
      const std::string_view input(copy.get(), bytes);
      const TextParse parsed = parser.parse(input);
      check_bounds(parsed, input);
      if (parsed.kind == TextParse::Kind::kNeedMore) break;
      if (means_something(parsed)) out.push_back(describe(parsed));
      if (parsed.error.close) return out;
      begin += parsed.consumed + parsed.error.swallow_bytes;
      if (parsed.kind == TextParse::Kind::kCommand && parsed.command.value_bytes > 0) {
        begin += parsed.command.value_bytes + 2;
      }
    }
  }
  return out;
}

}  // namespace
}  // namespace minos

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using minos::kEveryByteMax;
  using minos::trace;
  if (size < sizeof(std::uint64_t)) return 0;
  std::uint64_t seed;
  std::memcpy(&seed, data, sizeof(seed));
  const std::string_view stream(reinterpret_cast<const char*>(data) + sizeof(seed),
                                size - sizeof(seed));

  const std::vector<std::string> whole = trace(stream, {});
  if (stream.size() <= kEveryByteMax) {
    CHECK(trace(stream, std::vector<std::size_t>(stream.size(), 1)) == whole);
  }
  minos::Prng prng(seed);
  std::vector<std::size_t> cuts(8);
  for (std::size_t& cut : cuts) cut = 1 + prng.below(stream.size() + 1);
  CHECK(trace(stream, {cuts[0]}) == whole);
  for (std::size_t& cut : cuts) cut = 1 + prng.below(std::uint64_t{1} << prng.below(9));
  CHECK(trace(stream, cuts) == whole);
  return 0;
}
