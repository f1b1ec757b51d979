#include "load/output_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/prng.h"

namespace minos {
namespace {

std::string taken(OutputBuffer& buffer, std::size_t bytes_max, std::size_t entries_max) {
  std::array<iovec, 8> entries{};
  const std::size_t used = buffer.gather(std::span(entries).first(entries_max));
  std::string out;
  for (std::size_t i = 0; i < used; ++i) {
    out.append(static_cast<const char*>(entries[i].iov_base), entries[i].iov_len);
  }
  out.resize(std::min(out.size(), bytes_max));
  buffer.sent(out.size());
  return out;
}

// Against a plain string as the model, with all sizes of partial sends, and enough of them for
// compaction.
TEST(OutputBuffer, KeepsTheOrderOfBytes) {
  std::string source(200'000, ' ');
  Prng prng(5);
  for (char& c : source) c = static_cast<char>('a' + prng.below(26));
  OutputBuffer buffer;
  std::string model;
  std::string sent;
  for (int i = 0; i < 60'000; ++i) {
    const std::string_view piece =
        std::string_view(source).substr(prng.below(100'000), prng.below(prng.below(20) + 1) * 9);
    if (prng.below(2) == 0) {
      buffer.copy(piece);
    } else {
      buffer.refer(piece);
    }
    model += piece;
    if (prng.below(3) == 0) sent += taken(buffer, prng.below(500), 1 + prng.below(8));
    ASSERT_EQ(buffer.pending_bytes(), model.size() - sent.size());
  }
  while (!buffer.empty()) sent += taken(buffer, 1'000'000, 8);
  EXPECT_TRUE(sent == model);
}

}  // namespace
}  // namespace minos
