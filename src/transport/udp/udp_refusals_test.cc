#include "transport/udp/udp_refusals.h"

#include <gtest/gtest.h>

namespace minos {
namespace {

Peer host(std::uint8_t number, std::uint16_t port = 1000) {
  Peer out;
  out.address[15] = number;
  out.port = port;
  return out;
}

TEST(UdpRefusals, CoversAHostWithAllItsPortsAndNoOther) {
  UdpRefusals refusals;
  EXPECT_FALSE(refusals.covers(host(1), 1472));
  refusals.add(host(1), 1472);
  EXPECT_TRUE(refusals.covers(host(1), 1472));
  EXPECT_TRUE(refusals.covers(host(1, 2000), 1472));
  Peer elsewhere = host(1);
  elsewhere.scope = 2;
  EXPECT_FALSE(refusals.covers(elsewhere, 1472));
  for (std::uint8_t i = 2; i < 255; ++i) EXPECT_FALSE(refusals.covers(host(i), 1472));
}

TEST(UdpRefusals, ShorterSegmentsMayPass) {
  UdpRefusals refusals;
  refusals.add(host(1), 1472);
  EXPECT_FALSE(refusals.covers(host(1), 1471));
  refusals.add(host(1), 1400);
  refusals.add(host(1), 1450);
  EXPECT_TRUE(refusals.covers(host(1), 1400));
  EXPECT_FALSE(refusals.covers(host(1), 1399));
}

TEST(UdpRefusals, TrainsAreTriedAgainAfterAWhile) {
  UdpRefusals refusals;
  refusals.add(host(1), 1472);
  for (std::uint32_t i = 0; i < UdpRefusals::kDatagramsApart; ++i) {
    ASSERT_TRUE(refusals.covers(host(1), 1472)) << i;
  }
  EXPECT_FALSE(refusals.covers(host(1), 1472));
  // What was refused is forgotten with it.
  refusals.add(host(1), 1473);
  EXPECT_FALSE(refusals.covers(host(1), 1472));
}

TEST(UdpRefusals, MoreHostsThanThereIsRoomForAreForgottenOnly) {
  UdpRefusals refusals;
  const auto numbered = [](std::size_t i) {
    Peer out = host(static_cast<std::uint8_t>(i));
    out.address[14] = static_cast<std::uint8_t>(i >> 8);
    return out;
  };
  for (std::size_t i = 0; i < 4 * UdpRefusals::kHostsMax; ++i) {
    refusals.add(numbered(i), 1000);
    EXPECT_TRUE(refusals.covers(numbered(i), 1000));
  }
}

}  // namespace
}  // namespace minos
