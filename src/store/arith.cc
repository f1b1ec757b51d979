#include <algorithm>
#include <charconv>

#include "store/core.h"

namespace minos::store {

namespace {

constexpr std::size_t kDigitsMax = 20;  // of 2^64 - 1

// Digits, then maybe the spaces that a decrement left.
std::optional<std::uint64_t> parse_decimal(std::string_view text) {
  if (text.size() > kDigitsMax) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  const bool padded = std::all_of(end, text.data() + text.size(), [](char c) { return c == ' '; });
  return padded ? std::optional(value) : std::nullopt;
}

}  // namespace

std::expected<std::uint64_t, ArithError> Core::arith(std::string_view key, std::uint64_t hash,
                                                     bool increment, std::uint64_t delta,
                                                     const Now& now) {
  begin(now);
  // The most that the result can take: any flags and expiry.
  const std::uint32_t bytes = shared_.granule.round_up(
      Record::bytes_for(key.size(), kDigitsMax, {.flags = 1, .expires_at = 1}));
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

  std::uint64_t after = *before + delta;
  if (!increment) after = *before > delta ? *before - delta : 0;
  char text[kDigitsMax];
  std::fill(std::begin(text), std::end(text), ' ');
  const char* end = std::to_chars(std::begin(text), std::end(text), after).ptr;
  const std::size_t digits = static_cast<std::size_t>(end - text);
  const std::string_view value(text, std::max(digits, old.inline_value().size()));
  const auto uses = static_cast<std::uint8_t>(std::min<int>(old.uses() + 1, kUsesMax));
  const Ref ref = append(queue, {key, value, 0, old.meta(), new_cas(), uses});
  replace(slot, ref, false);
  count_item(shared_.index.record(ref));
  shared_.index.unlock(home);
  return after;
}

}  // namespace minos::store
