#include "worker/address_token.h"

#include <gtest/gtest.h>

namespace minos {
namespace {

using std::chrono::hours;

Peer peer(std::uint8_t last, std::uint16_t port) {
  Peer out;
  out.address[15] = last;
  out.port = port;
  return out;
}

TEST(AddressTokens, AreOfAnAddressAndAPortAndASecret) {
  const AddressTokens tokens({1});
  const std::uint64_t token = tokens.token(peer(1, 1), Nanos(0));
  EXPECT_TRUE(tokens.valid(peer(1, 1), token, Nanos(0)));
  EXPECT_FALSE(tokens.valid(peer(2, 1), token, Nanos(0)));
  EXPECT_FALSE(tokens.valid(peer(1, 2), token, Nanos(0)));
  EXPECT_FALSE(tokens.valid(peer(1, 1), token + 1, Nanos(0)));
  EXPECT_FALSE(tokens.valid(peer(1, 1), 0, Nanos(0)));
  EXPECT_FALSE(AddressTokens({2}).valid(peer(1, 1), token, Nanos(0)));
  EXPECT_NE(AddressTokens::random_secret(), AddressTokens::random_secret());
}

TEST(AddressTokens, LastForAnHourAndTheNext) {
  const AddressTokens tokens({1});
  const std::uint64_t token = tokens.token(peer(1, 1), hours(5));
  EXPECT_TRUE(tokens.valid(peer(1, 1), token, hours(6) - Nanos(1)));
  EXPECT_TRUE(tokens.valid(peer(1, 1), token, hours(7) - Nanos(1)));
  EXPECT_FALSE(tokens.valid(peer(1, 1), token, hours(7)));
  EXPECT_FALSE(tokens.valid(peer(1, 1), token, hours(4)));
}

TEST(TokenCache, SaysWhatTheTokensSay) {
  const AddressTokens tokens({1});
  TokenCache cache(tokens);
  for (int round = 0; round < 3; ++round) {
    for (std::uint16_t port = 1; port < 5000; ++port) {  // more than it holds
      const Nanos now = hours(round);
      std::uint64_t current = 0;
      EXPECT_FALSE(cache.check(peer(7, port), 0, now, current));
      EXPECT_EQ(current, tokens.token(peer(7, port), now));
      EXPECT_TRUE(cache.check(peer(7, port), current, now, current));
      if (round == 0) continue;
      const std::uint64_t earlier = tokens.token(peer(7, port), now - hours(1));
      EXPECT_TRUE(cache.check(peer(7, port), earlier, now, current));
      EXPECT_FALSE(cache.check(peer(8, port), earlier, now, current));
    }
  }
}

}  // namespace
}  // namespace minos
