// The client's session: whatever a server or a stranger sends, nothing is read or written out of
// bounds, and every request ends. The input is a list of records, each a datagram to receive, a
// request to start, or time that passes.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/check.h"
#include "client/datagram_session.h"

namespace minos {
namespace {

constexpr std::size_t kHeadBytes = 4;

// Written, so that reading the values is not optimised away.
volatile std::uint64_t values_read = 0;

class Fuzzed {
 public:
  Fuzzed() : session_(options()) {}

  // u8 kind, u8 detail, u16 length, bytes.
  void step(std::uint8_t kind, std::uint8_t detail, std::string_view bytes) {
    switch (kind % 4) {
      case 0:
        start(detail, bytes);
        break;
      case 1:
        now_ += micros(100) * (1 + detail);
        break;
      default:
        receive(detail, bytes, kind % 4 == 3);
    }
    settle();
  }

  void finish() {
    for (int i = 0; session_.outstanding() > 0; ++i) {
      CHECK(i < 100'000);
      CHECK(session_.next_timer() != Nanos::max());
      now_ = std::max(session_.next_timer(), now_ + Nanos(1));
      settle();
    }
    CHECK(completed_ == started_);
    values_read = sum_;
  }

 private:
  static SessionOptions options() {
    SessionOptions out;
    out.requests_max = 15;
    out.window_bytes = 20'000;
    out.timeout = millis(100);
    out.value_bytes_max = 1U << 20;
    out.buffered_bytes_max = 2U << 20;
    return out;
  }

  void start(std::uint8_t detail, std::string_view bytes) {
    SessionRequest request;
    request.op = static_cast<DatagramOp>(detail % kDatagramOps);
    const bool keyless = request.op == DatagramOp::kMultiGet || request.op == DatagramOp::kStats;
    const std::size_t key_bytes = keyless ? 0 : std::min<std::size_t>(bytes.size(), 3);
    request.key = bytes.substr(0, key_bytes);
    request.value =
        is_store(request.op) && detail >= 128 ? std::string_view(large_) : bytes.substr(key_bytes);
    if (session_.submit(request, now_)) ++started_;
  }

  // Bytes as they are, or made to fit a request that waits: with its id, in what follows the id.
  void receive(std::uint8_t detail, std::string_view bytes, bool fits) {
    std::string datagram(bytes);
    if (fits && datagram.size() >= kDatagramHeaderBytes) {
      const Seen& seen = seen_[detail % seen_.size()];
      datagram[0] = static_cast<char>(kDatagramMagic);
      datagram[1] = static_cast<char>(kDatagramVersion);
      datagram[2] = static_cast<char>(seen.op | 0x80);
      std::memcpy(&datagram[4], &seen.id, sizeof(seen.id));
    }
    session_.receive({fits ? kAnyQueue : QueueId{0}, datagram}, now_);
    count();  // views of the datagram end here
  }

  void settle() {
    session_.advance(now_);
    for (int i = 0; i < 100; ++i) {
      const std::size_t taken = session_.take_datagrams(out_, now_);
      for (std::size_t j = 0; j < taken; ++j) look_at(out_[j]);
      if (taken == 0) break;
    }
    count();
  }

  void look_at(const OutDatagram& out) {
    std::string bytes(out.front.data(), out.front_bytes);
    bytes += out.payload;
    CHECK(bytes.size() <= kDatagramBytesMax);
    const auto parsed = parse_request(bytes);
    CHECK(parsed);
    seen_[next_seen_++ % seen_.size()] = {parsed->header.request_id,
                                          static_cast<std::uint8_t>(parsed->header.op)};
  }

  void count() {
    for (const Completion& completion : session_.completions()) {
      for (const char c : completion.value()) sum_ += static_cast<unsigned char>(c);
      ++completed_;
    }
    session_.completions().clear();
  }

  struct Seen {
    std::uint32_t id = 0;
    std::uint8_t op = 0;
  };
  std::string large_ = std::string(200'000, 'v');
  DatagramSession session_;
  Nanos now_ = millis(1);
  std::array<OutDatagram, 32> out_;
  std::array<Seen, 8> seen_{};
  std::size_t next_seen_ = 0;
  std::uint64_t started_ = 0;
  std::uint64_t completed_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace
}  // namespace minos

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  minos::Fuzzed fuzzed;
  while (input.size() >= minos::kHeadBytes) {
    std::uint16_t length = 0;
    std::memcpy(&length, input.data() + 2, sizeof(length));
    const auto kind = static_cast<std::uint8_t>(input[0]);
    const auto detail = static_cast<std::uint8_t>(input[1]);
    input.remove_prefix(minos::kHeadBytes);
    const std::string_view bytes = input.substr(0, length);
    input.remove_prefix(bytes.size());
    fuzzed.step(kind, detail, bytes);
  }
  fuzzed.finish();
  return 0;
}
