#include "wire/memcache_reply.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace minos {
namespace {

constexpr std::uint64_t kU64Max = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kU32Max = std::numeric_limits<std::uint32_t>::max();

std::string value_header(std::string_view key, std::uint32_t flags, std::uint64_t bytes,
                         std::optional<std::uint64_t> cas) {
  char out[kValueHeaderBytesMax];
  return std::string(out, write_value_header(out, key, flags, bytes, cas));
}

TEST(MemcacheReply, ValueHeader) {
  EXPECT_EQ(value_header("k", 0, 5, {}), "VALUE k 0 5\r\n");
  EXPECT_EQ(value_header("key", 42, 0, 7), "VALUE key 42 0 7\r\n");
  EXPECT_EQ(value_header("key", 42, 0, 0), "VALUE key 42 0 0\r\n");
}

TEST(MemcacheReply, LongestValueHeaderFitsExactly) {
  const std::string key(kKeyBytesMax, 'k');
  const std::string header = value_header(key, kU32Max, kU64Max, kU64Max);
  EXPECT_EQ(header.size(), kValueHeaderBytesMax);
  EXPECT_EQ(header, "VALUE " + key + " 4294967295 18446744073709551615 18446744073709551615\r\n");
}

TEST(MemcacheReply, Decimals) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{9}, std::uint64_t{10},
                                    std::uint64_t{12345}, kU64Max - 1, kU64Max}) {
    char out[kNumberReplyBytesMax];
    EXPECT_EQ(std::string(out, write_decimal(out, value)), std::to_string(value));
    EXPECT_EQ(std::string(out, write_number_reply(out, value)), std::to_string(value) + "\r\n");
  }
}

}  // namespace
}  // namespace minos
