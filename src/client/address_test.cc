#include "client/address.h"

#include <gtest/gtest.h>

namespace minos {
namespace {

TEST(Address, ParsesHostsAndPorts) {
  EXPECT_EQ(parse_address("127.0.0.1:7000", 1)->text(), "127.0.0.1:7000");
  EXPECT_EQ(parse_address("localhost", 11211)->text(), "localhost:11211");
  EXPECT_EQ(parse_address("[::1]:7000", 1)->text(), "[::1]:7000");
  EXPECT_EQ(parse_address("[::1]", 11211)->host, "::1");
}

TEST(Address, RefusesWhatIsNoAddress) {
  for (const char* text : {"", ":7000", "host:", "host:0", "host:65536", "host:7x", "host:-1",
                           "[::1", "[::1]7000", "::1"}) {
    EXPECT_FALSE(parse_address(text, 11211)) << text;
  }
}

TEST(Address, ConnectErrorNamesTheAddress) {
  const auto fd = connect_tcp({.host = "127.0.0.1", .port = 1}, millis(500));
  ASSERT_FALSE(fd);
  EXPECT_EQ(fd.error(), "cannot connect to 127.0.0.1:1: Connection refused");
}

}  // namespace
}  // namespace minos
