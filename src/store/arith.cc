#include <algorithm>
#include <charconv>

#include "store/core.h"

namespace minos::store {

namespace {

constexpr std::size_t kDigitsMax = 20;  // of 2^64 - 1

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

// What memcached takes for a number, see kv_store.h.
std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  const char* const last = text.data() + text.size();
  const char* at = std::find_if_not(text.data(), last, is_space);
  const bool negative = at != last && *at == '-';
  if (at != last && (*at == '-' || *at == '+')) ++at;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(at, last, value);
  if (error != std::errc{}) return std::nullopt;
  if (end != last && *end != '\0' && !is_space(*end)) return std::nullopt;
  if (!negative) return value;
  value = 0 - value;
  return value >> 63 == 0 ? std::optional(value) : std::nullopt;
}

}  // namespace

std::expected<std::uint64_t, ArithError> Core::arith(std::string_view key, std::uint64_t hash,
                                                     bool increment, std::uint64_t delta,
                                                     const Now& now) {
  begin(now);
  // A first look, for how much room the result may need: with any flags and expiry.
  std::size_t length_max = kDigitsMax;
  if (const Ref seen = shared_.index.find(key, hash); seen != 0) {
    const Record peeked = shared_.index.record(seen);
    if (!peeked.large()) length_max = std::max(length_max, peeked.inline_value().size());
  }
  const std::uint32_t bytes = shared_.granule.round_up(
      Record::bytes_for(key.size(), length_max, {.flags = 1, .expires_at = 1}));
  const Queue queue = choose_queue(key, hash);
  const bool room = ensure_room(queue, bytes, now);

  const Index::Home home = shared_.index.lock(hash);
  const auto fail = [&](ArithError error) {
    shared_.index.unlock(home);
    return std::unexpected(error);
  };
  const Index::Slot slot = find_live(home, key, hash, now);
  if (!slot) return fail(ArithError::kNotFound);
  const Record old = shared_.index.record(slot.ref());
  if (old.large()) return fail(ArithError::kNonNumeric);
  const std::optional<std::uint64_t> before = parse_decimal(old.inline_value());
  if (!before) return fail(ArithError::kNonNumeric);
  if (!room) return fail(ArithError::kOutOfMemory);
  if (old.inline_value().size() > length_max) {
    // It was replaced since.
    shared_.index.unlock(home);
    return arith(key, hash, increment, delta, now);
  }

  std::uint64_t after = *before + delta;
  if (!increment) after = *before > delta ? *before - delta : 0;
  char* const text = scratch_.data();
  const std::size_t length = old.inline_value().size();
  char* const end = std::to_chars(text, text + kDigitsMax, after).ptr;
  if (end < text + length) std::fill(end, text + length, ' ');
  const std::string_view value(text, std::max(static_cast<std::size_t>(end - text), length));
  const auto uses = static_cast<std::uint8_t>(std::min<int>(old.uses() + 1, kUsesMax));
  const Ref ref = append(queue, {key, value, 0, old.meta(), new_cas(), uses});
  replace(slot, ref, false);
  count_item(shared_.index.record(ref));
  shared_.index.unlock(home);
  return after;
}

}  // namespace minos::store
