#include "transport/frame/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>
#include <vector>

#include "base/prng.h"
#include "transport/frame/testing/reference_frame.h"

namespace minos {
namespace {

constexpr FrameSelf kSelf{
    .mac = {2, 0, 10, 0, 0, 1}, .address = {10, 0, 0, 1}, .base_port = 7000, .ports = 4};
constexpr MacAddress kClientMac = {2, 0, 10, 0, 0, 9};
constexpr Ipv4Address kClient = {10, 0, 0, 9};

FrameSpec spec_of(std::string payload) {
  return {.to = kSelf.mac,
          .from = kClientMac,
          .source = kClient,
          .destination = kSelf.address,
          .source_port = 40000,
          .destination_port = 7002,
          .payload = std::move(payload)};
}

std::string counted(std::size_t bytes) {
  std::string text(bytes, '\0');
  for (std::size_t i = 0; i < bytes; ++i) text[i] = static_cast<char>(i * 7 + bytes);
  return text;
}

std::string dropped(std::string_view frame, VerifiedChecksums verified = {}) {
  const auto parsed = parse_frame(frame, kSelf, verified);
  return parsed ? "taken" : std::string(name(parsed.error()));
}

std::string dropped(const FrameSpec& spec) {
  return dropped(build(spec));
}

void set_be16(std::string& frame, std::size_t at, std::size_t value) {
  frame[at] = static_cast<char>(value >> 8);
  frame[at + 1] = static_cast<char>(value);
}

void fix_ip_checksum(std::string& frame, std::size_t header_bytes = 20) {
  set_be16(frame, 24, 0);
  set_be16(frame, 24, 0xffff - reference_sum(std::string_view(frame).substr(14, header_bytes)));
}

Peer peer_of(const UdpView& view) {
  Peer peer;
  peer.scope = 77;
  view.set(peer);
  return peer;
}

bool same_view(const std::expected<UdpView, FrameDrop>& got,
               const std::optional<ReferenceView>& want) {
  if (!got || !want) return got.has_value() == want.has_value();
  const Peer peer = peer_of(*got);
  return got->payload.data() == want->payload.data() && got->payload == want->payload &&
         peer.same_client(want->peer) && peer.queue == want->peer.queue &&
         peer.link == want->peer.link;
}

std::string arp(std::uint8_t operation, const MacAddress& to, const Ipv4Address& wanted) {
  std::string frame(to.begin(), to.end());
  frame.append(kClientMac.begin(), kClientMac.end());
  frame += std::string("\x08\x06\x00\x01\x08\x00\x06\x04\x00", 9) + static_cast<char>(operation);
  frame.append(kClientMac.begin(), kClientMac.end());
  frame.append(kClient.begin(), kClient.end());
  frame.append(6, '\0');
  frame.append(wanted.begin(), wanted.end());
  frame.append(18, '\0');  // to the 60 bytes that an Ethernet frame has at least
  return frame;
}

std::string echo_request(const std::string& data) {
  FrameSpec spec = spec_of(std::string("\x08\x00\x00\x00\x12\x34\x00\x01", 8) + data);
  spec.protocol = 1;
  const std::uint32_t sum = reference_sum(spec.payload);
  spec.payload[2] = static_cast<char>((0xffff - sum) >> 8);
  spec.payload[3] = static_cast<char>(0xffff - sum);
  return build(spec);
}

// The answer, and that a frame without one is left as it was.
std::string answer_to(std::string frame) {
  const std::string before = frame;
  const std::size_t bytes = answer_frame(frame.data(), frame.size(), kSelf);
  EXPECT_LE(bytes, before.size());
  if (bytes == 0) {
    EXPECT_EQ(frame, before);
  }
  return frame.substr(0, bytes);
}

TEST(Frame, DatagramOfEverySizeIsRead) {
  for (std::size_t bytes = 0; bytes <= kDatagramBytesMax; ++bytes) {
    FrameSpec spec = spec_of(counted(bytes));
    spec.udp_checksum = bytes % 3 != 0;
    const std::string frame = build(spec);
    const auto parsed = parse_frame(frame, kSelf, {});
    ASSERT_TRUE(parsed) << bytes;
    ASSERT_EQ(parsed->payload, spec.payload);
    const Peer peer = peer_of(*parsed);
    ASSERT_EQ(peer.address, mapped(kClient));
    ASSERT_TRUE(is_ipv4(peer));
    ASSERT_EQ(peer.port, 40000);
    ASSERT_EQ(peer.queue, QueueId{2});
    ASSERT_EQ(peer.link, kClientMac);
  }
}

TEST(Frame, WhatIsWrittenIsReadByTheOtherSide) {
  const FrameWriter writer(kSelf.mac, kSelf.address);
  const FrameSelf other{.mac = kClientMac, .address = kClient, .base_port = 40000, .ports = 1};
  Peer peer;
  peer.address = mapped(kClient);
  peer.port = 40000;
  peer.link = kClientMac;
  for (std::size_t bytes = 0; bytes <= kDatagramBytesMax; ++bytes) {
    std::string frame(kFrameFrontBytes, '\xee');
    writer.write(frame.data(), peer, 7003, bytes);
    frame += counted(bytes);
    const auto want = reference_parse(frame, other);
    ASSERT_TRUE(want) << bytes;
    ASSERT_TRUE(same_view(parse_frame(frame, other, {}), want)) << bytes;
    ASSERT_EQ(want->peer.port, 7003);
    ASSERT_EQ(want->peer.address, mapped(kSelf.address));
    ASSERT_EQ(want->payload, counted(bytes));
  }
}

TEST(Frame, NothingIsReadOfATruncatedFrame) {
  const std::string whole = build(spec_of(counted(100)));
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    // On the heap and as long as it says, so that ASan sees a read beyond it.
    const std::vector<char> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(bytes));
    EXPECT_EQ(dropped({part.data(), part.size()}), "bad_length") << bytes;
  }
}

TEST(Frame, PaddingIsPassedOver) {
  FrameSpec spec = spec_of("x");
  spec.padding = std::string(17, '\x55');
  const std::string frame = build(spec);
  EXPECT_EQ(parse_frame(frame, kSelf, {})->payload, "x");
}

TEST(Frame, Ipv4OptionsArePassedOver) {
  for (std::size_t words = 1; words <= 10; ++words) {
    FrameSpec spec = spec_of("after options");
    spec.ip_options = std::string(words * 4, '\x01');
    const std::string frame = build(spec);
    const auto parsed = parse_frame(frame, kSelf, {});
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->payload, "after options");
    for (std::size_t bytes = 0; bytes < frame.size(); ++bytes) {
      ASSERT_EQ(dropped(std::string_view(frame).substr(0, bytes)), "bad_length");
    }
  }
}

TEST(Frame, OtherKindsOfFramesAreDropped) {
  FrameSpec spec = spec_of("payload");
  for (const std::uint16_t type :
       std::vector<std::uint16_t>{0x8100, 0x88a8, 0x86dd, 0x0806, 0x0801, 0x0000}) {
    spec.ether_type = type;
    EXPECT_EQ(dropped(spec), "not_ipv4") << type;
  }
  std::string version_6 = build(spec_of("payload"));
  version_6[14] = 0x65;
  EXPECT_EQ(dropped(version_6), "not_ipv4");
}

TEST(Frame, FragmentsAreDropped) {
  FrameSpec spec = spec_of("payload");
  for (const std::uint16_t fragment :
       std::vector<std::uint16_t>{0x2000, 0x0001, 0x1fff, 0x6000, 0x2001}) {
    spec.fragment = fragment;
    EXPECT_EQ(dropped(spec), "fragment") << fragment;
  }
  for (const std::uint16_t whole : std::vector<std::uint16_t>{0x0000, 0x4000, 0x8000}) {
    spec.fragment = whole;
    EXPECT_EQ(dropped(spec), "taken") << whole;
  }
}

TEST(Frame, WhatIsForOthersIsDropped) {
  FrameSpec spec = spec_of("payload");
  spec.to = kClientMac;
  EXPECT_EQ(dropped(spec), "not_ours");
  spec = spec_of("payload");
  spec.destination = {10, 0, 0, 2};
  EXPECT_EQ(dropped(spec), "not_ours");
  spec = spec_of("payload");
  spec.protocol = 6;
  EXPECT_EQ(dropped(spec), "not_ours");
  for (const std::uint16_t port : std::vector<std::uint16_t>{0, 6999, 7004, 65535}) {
    spec = spec_of("payload");
    spec.destination_port = port;
    EXPECT_EQ(dropped(spec), "not_ours") << port;
  }
}

TEST(Frame, SourcesThatCannotBeAnsweredAreDropped) {
  FrameSpec spec = spec_of("payload");
  for (const Ipv4Address& source : {Ipv4Address{0, 0, 0, 0},
                                    {127, 0, 0, 1},
                                    {224, 0, 0, 1},
                                    {255, 255, 255, 255},
                                    kSelf.address}) {
    spec.source = source;
    EXPECT_EQ(dropped(spec), "unanswerable");
  }
  spec = spec_of("payload");
  spec.source_port = 0;
  EXPECT_EQ(dropped(spec), "unanswerable");
  spec = spec_of("payload");
  spec.from = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
  EXPECT_EQ(dropped(spec), "unanswerable");
}

TEST(Frame, LengthsThatContradictAreDropped) {
  const std::string right = build(spec_of(counted(30)));
  for (const std::size_t total : std::vector<std::size_t>{0, 19, 20, 27, 59, 0xffff}) {
    std::string frame = right;
    set_be16(frame, 16, total);
    fix_ip_checksum(frame);
    EXPECT_EQ(dropped(frame), "bad_length") << total;
  }
  for (const std::size_t udp : std::vector<std::size_t>{0, 7, 39, 0xffff}) {
    std::string frame = right;
    set_be16(frame, 38, udp);
    EXPECT_EQ(dropped(frame), "bad_length") << udp;
  }
  for (const char header : {'\x40', '\x44'}) {
    std::string frame = right;
    frame[14] = header;
    EXPECT_EQ(dropped(frame), "bad_length");
  }
  EXPECT_EQ(dropped(spec_of(counted(kDatagramBytesMax + 1))), "bad_length");
}

// As a kernel leaves it to a device that never was: veth's.
TEST(Frame, AChecksumOfThePseudoHeaderAloneIsTakenWhereItMayBe) {
  for (const std::size_t bytes : std::initializer_list<std::size_t>{0, 1, 28, 1471, 1472}) {
    std::string frame = build(spec_of(counted(bytes)));
    std::string pseudo = frame.substr(26, 8);
    for (const std::size_t half : {std::size_t{17}, 8 + bytes}) {
      pseudo += static_cast<char>(half >> 8);
      pseudo += static_cast<char>(half);
    }
    set_be16(frame, 40, reference_sum(pseudo));
    EXPECT_EQ(dropped(frame), "bad_checksum") << bytes;
    EXPECT_EQ(dropped(frame, {.udp_may_be_partial = true}), "taken") << bytes;
    set_be16(frame, 40, reference_sum(pseudo) ^ 1);
    EXPECT_EQ(dropped(frame, {.udp_may_be_partial = true}), "bad_checksum") << bytes;
  }
}

TEST(Frame, WrongChecksumsAreDroppedUnlessTheDeviceVouches) {
  const std::string right = build(spec_of(counted(33)));
  for (std::size_t at = 14; at < right.size(); ++at) {
    for (const int bit : {0, 3, 7}) {
      std::string frame = right;
      frame[at] = static_cast<char>(frame[at] ^ (1 << bit));
      EXPECT_NE(dropped(frame), "taken") << at;
      const bool ttl_or_identification = at == 18 || at == 19 || at == 22;
      if (ttl_or_identification || at == 24) {
        EXPECT_EQ(dropped(frame), "bad_checksum");
        EXPECT_EQ(dropped(frame, {.ipv4 = true}), "taken");
      }
      if (at >= 40) {
        EXPECT_EQ(dropped(frame), "bad_checksum") << at;
        EXPECT_EQ(dropped(frame, {.udp = true}), "taken");
      }
    }
  }
}

TEST(Frame, ParsesAsTheReferenceDoes) {
  Prng prng(20240817);
  std::size_t taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    FrameSpec spec = spec_of(counted(prng.below(round % 16 == 0 ? 1500 : 40)));
    spec.udp_checksum = prng.below(2) == 0;
    spec.ip_options = std::string(4 * (prng.below(4) == 0 ? prng.below(11) : 0), '\0');
    spec.padding = std::string(prng.below(3) * 7, 'p');
    std::string frame = build(spec);
    for (std::uint64_t flips = prng.below(4); flips > 0; --flips) {
      const std::size_t at = prng.below(2) == 0 ? prng.below(frame.size()) : 12 + prng.below(30);
      frame[at] = static_cast<char>(prng.below(256));
    }
    // Most changes would only show that the header's checksum guards it.
    if (prng.below(2) == 0) {
      const std::size_t header_bytes = (static_cast<std::uint8_t>(frame[14]) & 0xfu) * 4;
      if (header_bytes >= 20 && 14 + header_bytes <= frame.size()) {
        fix_ip_checksum(frame, header_bytes);
      }
    }
    if (prng.below(8) == 0) frame.resize(prng.below(frame.size() + 1));
    const auto want = reference_parse(frame, kSelf);
    ASSERT_TRUE(same_view(parse_frame(frame, kSelf, {}), want)) << "round " << round;
    taken += want.has_value();
  }
  EXPECT_GT(taken, 40'000u);
  EXPECT_LT(taken, 160'000u);
}

TEST(Frame, ArpRequestsForOurAddressAreAnswered) {
  for (const MacAddress& to : {MacAddress{255, 255, 255, 255, 255, 255}, kSelf.mac}) {
    const std::string answer = answer_to(arp(1, to, kSelf.address));
    ASSERT_EQ(answer.size(), kArpFrameBytes);
    const FrameSelf client{.mac = kClientMac, .address = kClient};
    EXPECT_EQ(parse_arp_reply(answer, client, kSelf.address), kSelf.mac);
    EXPECT_EQ(parse_arp_reply(answer, client, kClient), std::nullopt);
    EXPECT_EQ(answer.substr(0, 6), std::string(kClientMac.begin(), kClientMac.end()));
    EXPECT_EQ(answer.substr(32, 6), std::string(kClientMac.begin(), kClientMac.end()));
    EXPECT_EQ(answer.substr(38, 4), std::string(kClient.begin(), kClient.end()));
  }
}

TEST(Frame, OurOwnArpRequestIsAnsweredByTheOtherSide) {
  std::string frame(kArpFrameBytes, '\xee');
  const FrameSelf client{.mac = kClientMac, .address = kClient};
  write_arp_request(frame.data(), client, kSelf.address);
  EXPECT_EQ(parse_arp_reply(answer_to(frame), client, kSelf.address), kSelf.mac);
}

TEST(Frame, OtherArpIsNotAnswered) {
  const MacAddress all = {255, 255, 255, 255, 255, 255};
  EXPECT_EQ(answer_to(arp(1, all, {10, 0, 0, 2})), "");
  EXPECT_EQ(answer_to(arp(2, all, kSelf.address)), "");
  EXPECT_EQ(answer_to(arp(1, kClientMac, kSelf.address)), "");
  const std::string right = arp(1, all, kSelf.address);
  for (std::size_t bytes = 0; bytes < kArpFrameBytes; ++bytes) {
    EXPECT_EQ(answer_to(right.substr(0, bytes)), "") << bytes;
  }
  for (std::size_t at = 12; at < 20; ++at) {
    std::string frame = right;
    frame[at] ^= 0x10;
    EXPECT_EQ(answer_to(frame), "") << at;
  }
  std::string group = right;
  group[22] = 1;
  EXPECT_EQ(answer_to(group), "");
}

TEST(Frame, EchoRequestsAreAnswered) {
  for (const std::size_t bytes : std::vector<std::size_t>{0, 1, 2, 3, 56, 1472}) {
    const std::string data = counted(bytes);
    const std::string answer = answer_to(echo_request(data));
    ASSERT_EQ(answer.size(), 14 + 20 + 8 + bytes);
    EXPECT_EQ(answer.substr(0, 6), std::string(kClientMac.begin(), kClientMac.end()));
    EXPECT_EQ(answer.substr(6, 6), std::string(kSelf.mac.begin(), kSelf.mac.end()));
    EXPECT_EQ(answer.substr(26, 4), std::string(kSelf.address.begin(), kSelf.address.end()));
    EXPECT_EQ(answer.substr(30, 4), std::string(kClient.begin(), kClient.end()));
    EXPECT_EQ(reference_sum(answer.substr(14, 20)), 0xffffu);
    EXPECT_EQ(reference_sum(answer.substr(34)), 0xffffu);
    EXPECT_EQ(answer[34], '\0');
    EXPECT_EQ(answer.substr(38, 4), std::string("\x12\x34\x00\x01", 4));
    EXPECT_EQ(answer.substr(42), data);
  }
}

TEST(Frame, OtherIcmpIsNotAnswered) {
  const std::string right = echo_request("0123456789");
  for (std::size_t bytes = 0; bytes < right.size(); ++bytes) {
    EXPECT_EQ(answer_to(right.substr(0, bytes)), "") << bytes;
  }
  for (std::size_t at = 14; at < right.size(); ++at) {
    std::string frame = right;
    frame[at] ^= 0x04;
    EXPECT_EQ(answer_to(frame), "") << at;
  }
  EXPECT_EQ(answer_to(build(spec_of("a datagram"))), "");
  FrameSpec spec = spec_of(right.substr(34));
  spec.protocol = 1;
  spec.source = {224, 0, 0, 1};
  EXPECT_EQ(answer_to(build(spec)), "");
  spec = spec_of(right.substr(34));
  spec.protocol = 1;
  spec.ip_options = std::string(4, '\x01');
  EXPECT_EQ(answer_to(build(spec)), "");
}

}  // namespace
}  // namespace minos
