// Frames as a NIC hands them over: any bytes are read without harm and as the reference reads them,
// and what is answered is no longer than what was asked.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "transport/frame/frame.h"
#include "transport/frame/testing/reference_frame.h"

namespace minos {
namespace {

constexpr FrameSelf kSelf{
    .mac = {2, 0, 10, 0, 0, 1}, .address = {10, 0, 0, 1}, .base_port = 7000, .ports = 4};

void check_parsed(std::string_view frame) {
  const auto parsed = parse_frame(frame, kSelf, {});
  const auto want = reference_parse(frame, kSelf);
  CHECK(parsed.has_value() == want.has_value());
  if (parsed) CHECK(parsed->payload == want->payload && parsed->port == want->peer.port);
  // What the device vouches for is not looked at; the lengths still are.
  const auto trusted = parse_frame(frame, kSelf, {.ipv4 = true, .udp = true});
  CHECK(!parsed || trusted);
  if (trusted && !trusted->payload.empty()) {
    CHECK(trusted->payload.data() >= frame.data());
    CHECK(trusted->payload.data() + trusted->payload.size() <= frame.data() + frame.size());
  }
}

}  // namespace
}  // namespace minos

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view frame(reinterpret_cast<const char*>(data), size);
  minos::check_parsed(frame);
  std::string answer(frame);
  const std::size_t bytes = minos::answer_frame(answer.data(), answer.size(), minos::kSelf);
  CHECK(bytes <= size);
  CHECK(bytes != 0 || answer == frame);
  (void)minos::parse_arp_reply(frame, minos::kSelf, {10, 0, 0, 9});
  return 0;
}
