// The whole connection state machine on workers in virtual time. The input is a program: pieces for
// several connections, windows that close and open, resets, epochs and changes of plan. Properties:
// no check trips and no sanitizer reports; the server comes to rest; memory stays under its limit;
// and a connection that is alone on its server gets the same replies, however its bytes arrive, its
// window opens and roles change, as from a server that is undisturbed.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "program.h"
#include "worker/testing/fake_server.h"

namespace minos {
namespace {

constexpr std::uint8_t kPolicies = static_cast<std::uint8_t>(PolicyKind::kWorkStealing) + 1;
constexpr std::size_t kPeers = 3;
constexpr std::size_t kInputBytesMax = 4096;
// Less than what a store of the size used here would evict for.
constexpr std::size_t kStreamBytesMax = 4 * kMiB;
// A piece takes the server a round, and those are bounded.
constexpr std::size_t kPiecesMax = 20'000;

FakeServer::Options options_for(std::uint8_t choice) {
  FakeServer::Options options;
  options.policy = static_cast<PolicyKind>(choice % kPolicies);
  options.workers = static_cast<std::uint16_t>(1 + choice / kPolicies % 3);
  options.dispatchers = options.workers == 3 && choice % 2 == 0 ? 2 : 1;
  options.memory_bytes = 16 * kMiB;
  options.quantum_bytes = std::uint64_t{4096} << (choice / kPolicies / 3 % 4);
  options.evict = choice < 200;
  return options;
}

void publish_roles(FakeServer& server, std::uint8_t choice) {
  CorePlan plan = server.plan();
  if (plan.core_count() < 2 || !owns_large(plan.cores.back().role)) return;
  ++plan.version;
  plan.threshold_bytes = kInlineValueBytesMax;
  const bool elastic =
      plan.count(CoreRole::kElastic) + plan.count(CoreRole::kSmall) == plan.core_count() &&
      plan.count(CoreRole::kElastic) > 0;
  const std::size_t first_large = 1 + choice % (plan.cores.size() - 1);
  for (std::size_t i = 0; i < plan.cores.size(); ++i) {
    const CoreRole large = elastic ? CoreRole::kElastic : CoreRole::kLarge;
    plan.cores[i].role = i < first_large ? CoreRole::kSmall : large;
    const std::uint64_t min = i == first_large ? 0 : ~std::uint64_t{0};
    plan.cores[i].large_range = {min, ~std::uint64_t{0}};
  }
  server.publish(plan);
}

// A short way to write long bodies: "@n" stands for n * 512 bytes.
void append_expanded(std::string& out, std::string_view piece) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (piece[i] == '@' && i + 1 < piece.size()) {
      out.append(static_cast<std::uint8_t>(piece[++i]) * std::size_t{512}, 'x');
    } else {
      out += piece[i];
    }
  }
}

void check_limits(FakeServer& server) {
  const MemoryUse memory = server.store().memory();
  CHECK(memory.used_bytes <= memory.limit_bytes);
}

void run_program(std::string_view input) {
  Program program(input);
  FakeServer server(options_for(program.byte()));
  std::vector<FakeNetwork::Peer*> peers;
  for (std::size_t i = 0; i < kPeers; ++i) peers.push_back(&server.connect());
  while (!program.done()) {
    const std::uint8_t action = program.byte();
    FakeNetwork::Peer& peer = *peers[action % kPeers];
    switch (action / kPeers % 8) {
      case 0:
      case 1:
      case 2:
        append_expanded(peer.to_server, program.take(program.byte()));
        break;
      case 3:
        server.step_all();
        break;
      case 4:
        peer.window_bytes = program.byte() * std::uint64_t{256};
        break;
      case 5:
        peer.window_bytes = ~std::uint64_t{0};
        peer.segment_bytes = 1 + program.byte();
        break;
      case 6:
        publish_roles(server, program.byte());
        break;
      case 7:
        if (action >= 250) peer.reset = true;
        if (action >= 240) peer.ended = true;
        server.advance(millis(program.byte()));
        server.plan_epoch();
        break;
    }
    check_limits(server);
  }
  for (FakeNetwork::Peer* peer : peers) peer->window_bytes = ~std::uint64_t{0};
  CHECK(server.run());
  check_limits(server);
}

// A receiver that stops and goes on, cores that change their roles.
void disturb(FakeServer& server, FakeNetwork::Peer& peer, std::uint8_t action) {
  const std::uint8_t argument = action / 4;
  switch (action % 4) {
    case 0:
      peer.window_bytes = argument * std::uint64_t{64};
      break;
    case 1:
      publish_roles(server, argument);
      break;
    case 2:
      for (int i = 0; i < argument; ++i) server.step_all();
      break;
    case 3:
      server.step(CoreId{static_cast<std::uint16_t>(argument % server.plan().core_count())});
      break;
  }
}

// One connection's bytes give the same replies whole and undisturbed as in pieces and disturbed, on
// every policy.
void compare_pieces(std::string_view input) {
  Program program(input);
  const FakeServer::Options options = options_for(program.byte());
  const std::size_t piece_wanted = 1 + program.byte() % 64;
  const std::string_view disturbances = program.take(program.byte() % 32);
  std::string stream;
  append_expanded(stream, program.take(kInputBytesMax));
  if (stream.size() > kStreamBytesMax) return;
  if (stream.find("stats") != std::string::npos || stream.find("gets") != std::string::npos) return;
  FakeServer whole(options);
  FakeServer pieces(options);
  FakeNetwork::Peer& one = whole.connect();
  FakeNetwork::Peer& other = pieces.connect();
  one.to_server = other.to_server = stream;
  other.segment_bytes = std::max(piece_wanted, stream.size() / kPiecesMax);
  CHECK(whole.run());
  for (const char action : disturbances) disturb(pieces, other, static_cast<std::uint8_t>(action));
  other.window_bytes = ~std::uint64_t{0};
  CHECK(pieces.run());
  CHECK(one.from_server == other.from_server);
  CHECK(one.closed_by_server == other.closed_by_server);
}

}  // namespace
}  // namespace minos

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > minos::kInputBytesMax) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (data[0] % 2 == 0) {
    minos::run_program(input.substr(1));
  } else {
    minos::compare_pieces(input.substr(1));
  }
  return 0;
}
