// The datagram codec: any bytes are read without harm, and what is a request or a reply is written
// again as the same bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "wire/datagram.h"

namespace minos {
namespace {

void check_same(const Datagram& parsed, std::string_view bytes) {
  std::array<char, kDatagramFrontBytesMax> front;
  const std::size_t front_size = write_front(parsed, front.data());
  CHECK(front_size == front_bytes(parsed.header, parsed.key.size()));
  CHECK(std::string(front.data(), front_size) + std::string(parsed.payload) == bytes);
}

void walk_payload(const Datagram& parsed) {
  if (parsed.header.op != DatagramOp::kMultiGet) return;
  std::string_view payload = parsed.payload;
  std::size_t taken = 0;
  if (parsed.header.reply) {
    while (const auto entry = take_entry(payload))
      taken += kMultiGetEntryBytes + entry->value.size();
  } else {
    while (const auto key = take_key(payload)) taken += 1 + key->size();
  }
  CHECK(taken + payload.size() == parsed.payload.size());
}

}  // namespace
}  // namespace minos

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  for (const auto& parsed : {minos::parse_request(bytes), minos::parse_reply(bytes)}) {
    if (!parsed) continue;
    minos::check_same(*parsed, bytes);
    minos::walk_payload(*parsed);
  }
  return 0;
}
