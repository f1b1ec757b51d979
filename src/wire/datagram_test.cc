#include "wire/datagram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace minos {
namespace {

std::string datagram(const Datagram& from) {
  std::array<char, kDatagramFrontBytesMax> front;
  const std::size_t bytes = write_front(from, front.data());
  EXPECT_EQ(bytes, front_bytes(from.header, from.key.size()));
  return std::string(front.data(), bytes) + std::string(from.payload);
}

Datagram request(DatagramOp op) {
  Datagram out;
  out.header.op = op;
  out.header.request_id = 0x01020304;
  out.header.token = 0x1122334455667788;
  out.key = "key";
  if (is_write(op)) out.write = {0x0a0b0c0d, 0x11121314};
  return out;
}

Datagram set_of(std::string_view value) {
  Datagram out = request(DatagramOp::kSet);
  out.flags = 7;
  out.expiry = 60;
  out.header.value_bytes = static_cast<std::uint32_t>(value.size());
  out.payload = value;
  return out;
}

std::string reason_of(const std::string& bytes) {
  const auto parsed = parse_request(bytes);
  return parsed ? "fine" : std::string(parsed.error().reason);
}

void expect_equal(const Datagram& a, const Datagram& b) {
  EXPECT_EQ(a.header.op, b.header.op);
  EXPECT_EQ(a.header.reply, b.header.reply);
  EXPECT_EQ(a.header.retry, b.header.retry);
  EXPECT_EQ(a.header.status, b.header.status);
  EXPECT_EQ(a.header.request_id, b.header.request_id);
  EXPECT_EQ(a.header.token, b.header.token);
  EXPECT_EQ(a.header.value_bytes, b.header.value_bytes);
  EXPECT_EQ(a.header.offset, b.header.offset);
  EXPECT_EQ(a.header.fragment_bytes, b.header.fragment_bytes);
  EXPECT_EQ(a.write, b.write);
  EXPECT_EQ(a.flags, b.flags);
  EXPECT_EQ(a.expiry, b.expiry);
  EXPECT_EQ(a.number, b.number);
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.payload, b.payload);
}

// The layout of docs/PROTOCOL.md, byte by byte.
TEST(Datagram, SetIsLaidOutAsDocumented) {
  Datagram set = set_of("abc");
  set.header.retry = true;
  set.header.fragment_bytes = 0x0506;
  EXPECT_EQ(datagram(set), std::string("\x6d\x01\x02\x01"
                                       "\x04\x03\x02\x01"
                                       "\x88\x77\x66\x55\x44\x33\x22\x11"
                                       "\x03\x00\x00\x00"
                                       "\x00\x00\x00\x00"
                                       "\x06\x05\x03\x00"
                                       "\x0d\x0c\x0b\x0a"
                                       "\x14\x13\x12\x11"
                                       "\x07\x00\x00\x00"
                                       "\x3c\x00\x00\x00"
                                       "keyabc",
                                       50));
}

TEST(Datagram, EveryRequestComesBack) {
  for (std::uint8_t op = 0; op < kDatagramOps; ++op) {
    Datagram out = request(static_cast<DatagramOp>(op));
    const DatagramOp kind = out.header.op;
    const bool keyless = kind == DatagramOp::kNoop || kind == DatagramOp::kMultiGet ||
                         kind == DatagramOp::kStats || kind == DatagramOp::kFlushAll;
    if (keyless) out.key = {};
    if (kind == DatagramOp::kMultiGet) out.payload = "\x01k";
    if (is_store(kind)) {
      out.payload = "value";
      out.header.value_bytes = 5;
      out.flags = 1;
      out.expiry = 2;
    }
    if (kind == DatagramOp::kTouch || kind == DatagramOp::kGat || kind == DatagramOp::kFlushAll) {
      out.expiry = 3;
    }
    if (kind == DatagramOp::kAppend || kind == DatagramOp::kPrepend) out.flags = out.expiry = 0;
    if (kind == DatagramOp::kCas || kind == DatagramOp::kGet || kind == DatagramOp::kIncr ||
        kind == DatagramOp::kDecr) {
      out.number = ~std::uint64_t{0};
    }
    const std::string bytes = datagram(out);
    const auto back = parse_request(bytes);
    ASSERT_TRUE(back) << int{op} << ": " << back.error().reason;
    expect_equal(*back, out);
    EXPECT_FALSE(parse_reply(bytes)) << "a request is no reply";
  }
}

TEST(Datagram, EveryReplyComesBack) {
  for (std::uint8_t op = 0; op < kDatagramOps; ++op) {
    for (std::uint8_t status = 0; status < kDatagramStatuses; ++status) {
      Datagram out = request(static_cast<DatagramOp>(op));
      out.key = {};
      out.write = {};
      out.header.reply = true;
      out.header.status = static_cast<DatagramStatus>(status);
      if (out.header.status != DatagramStatus::kOk) out.payload = "why";
      const std::string bytes = datagram(out);
      const auto back = parse_reply(bytes);
      ASSERT_TRUE(back) << int{op} << " " << int{status} << ": " << back.error().reason;
      expect_equal(*back, out);
      EXPECT_FALSE(parse_request(bytes));
    }
  }
}

TEST(Datagram, FragmentsLieWithinTheirValue) {
  const std::string value(1000, 'v');
  Datagram part = set_of(value);
  part.header.fragment_bytes = 300;
  for (std::uint32_t offset = 0; offset < 1000; offset += 300) {
    part.header.offset = offset;
    part.payload = std::string_view(value).substr(offset, 300);
    EXPECT_EQ(reason_of(datagram(part)), "fine") << offset;
    part.payload.remove_suffix(1);
    EXPECT_EQ(reason_of(datagram(part)), "payload") << offset;
  }
  part.header.offset = 1;
  part.payload = std::string_view(value).substr(0, 300);
  EXPECT_EQ(reason_of(datagram(part)), "offset");
  part.header.offset = 1200;
  EXPECT_EQ(reason_of(datagram(part)), "offset");
  part.header.offset = 1000;
  EXPECT_EQ(reason_of(datagram(part)), "offset");
  part.header.offset = 0;
  part.header.fragment_bytes = 0;
  EXPECT_EQ(reason_of(datagram(part)), "fragment bytes");
  part.header.fragment_bytes = 255;
  EXPECT_EQ(reason_of(datagram(part)), "fragment bytes");
  part.header.fragment_bytes = 300;
  part.header.value_bytes = kItemBytesMax + 1;
  EXPECT_EQ(reason_of(datagram(part)), "value bytes");
  EXPECT_EQ(reason_of(datagram(set_of(""))), "fine");
  EXPECT_EQ(reason_of(datagram(set_of(value))), "fine");
}

TEST(Datagram, AGetAsksForAPartOfTheValue) {
  Datagram get = request(DatagramOp::kGet);
  const auto reason = [&](std::uint32_t bytes, std::uint32_t offset, std::uint16_t fragment) {
    get.header.value_bytes = bytes;
    get.header.offset = offset;
    get.header.fragment_bytes = fragment;
    return reason_of(datagram(get));
  };
  EXPECT_EQ(reason(0, 0, 0), "fine");
  EXPECT_EQ(reason(0, 0, 300), "fine");
  EXPECT_EQ(reason(65536, 0, 0), "fine");
  EXPECT_EQ(reason(65536, 3000, 300), "fine");
  EXPECT_EQ(reason(65536, 3001, 300), "offset");
  EXPECT_EQ(reason(0, 3000, 300), "offset");
  EXPECT_EQ(reason(65536, 3000, 0), "fragment bytes");
  EXPECT_EQ(reason(65536, 0, 255), "fragment bytes");
  EXPECT_EQ(reason(kItemBytesMax + 1, 0, 0), "value bytes");
  EXPECT_EQ(reason(1, kItemBytesMax + 300, 300), "offset");
}

TEST(Datagram, AGatAsksForAllOfTheValue) {
  Datagram gat = request(DatagramOp::kGat);
  EXPECT_EQ(reason_of(datagram(gat)), "fine");
  gat.header.fragment_bytes = 300;
  EXPECT_EQ(reason_of(datagram(gat)), "fine");
  gat.header.fragment_bytes = 1;
  EXPECT_EQ(reason_of(datagram(gat)), "fragment bytes");
  gat.header.fragment_bytes = 300;
  gat.header.value_bytes = 65536;
  EXPECT_EQ(reason_of(datagram(gat)), "value bytes");
  gat.header.value_bytes = 0;
  gat.header.offset = 300;
  EXPECT_EQ(reason_of(datagram(gat)), "offset");
}

TEST(Datagram, ErrorsNameTheField) {
  const std::string good = datagram(set_of("abc"));
  const auto with = [&](std::size_t at, char byte) {
    std::string bytes = good;
    bytes[at] = byte;
    return bytes;
  };
  EXPECT_EQ(reason_of(good), "fine");
  EXPECT_EQ(reason_of(with(2, 16)), "op");
  EXPECT_EQ(reason_of(with(3, 2)), "flags");
  EXPECT_EQ(reason_of(with(26, 0)), "key bytes");
  EXPECT_EQ(reason_of(with(26, static_cast<char>(251))), "key bytes");
  EXPECT_EQ(reason_of(with(26, 10)), "length");
  EXPECT_EQ(reason_of(good + "d"), "fragment bytes");
  std::string get = datagram(request(DatagramOp::kGet));
  EXPECT_EQ(reason_of(get + "x"), "payload");
  const auto version = parse_request(with(1, 2));
  ASSERT_FALSE(version);
  EXPECT_EQ(version.error().kind, DatagramError::Kind::kVersion);
  EXPECT_EQ(version.error().header.request_id, 0x01020304U);
  for (std::size_t bytes = 0; bytes < kDatagramHeaderBytes; ++bytes) {
    EXPECT_EQ(parse_request(std::string_view(good).substr(0, bytes)).error().kind,
              DatagramError::Kind::kSilent);
  }
  EXPECT_EQ(parse_request(with(0, 0)).error().kind, DatagramError::Kind::kSilent);
}

TEST(Datagram, MultiGetKeysAndEntries) {
  std::string keys = "\x03one\x05three";
  std::string_view left = keys;
  EXPECT_EQ(take_key(left), "one");
  EXPECT_EQ(take_key(left), "three");
  EXPECT_EQ(take_key(left), std::nullopt);
  for (const std::string& bad : {std::string("\x04one"), std::string("\x00", 1)}) {
    left = bad;
    EXPECT_EQ(take_key(left), std::nullopt);
    EXPECT_EQ(left, bad);
  }
  const MultiGetEntry entry{
      .index = 300, .status = DatagramStatus::kOk, .flags = 5, .cas = 6, .value = "value"};
  std::string bytes(kMultiGetEntryBytes + 5, '\0');
  write_entry(entry, bytes.data());
  left = bytes;
  const auto back = take_entry(left);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->index, 300);
  EXPECT_EQ(back->flags, 5U);
  EXPECT_EQ(back->cas, 6U);
  EXPECT_EQ(back->value, "value");
  EXPECT_TRUE(left.empty());
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    left = std::string_view(bytes).substr(0, cut);
    EXPECT_FALSE(take_entry(left)) << cut;
  }
}

}  // namespace
}  // namespace minos
