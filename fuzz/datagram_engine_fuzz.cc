// The datagram path on workers in virtual time: parser, tokens, write windows, assemblers, large
// replies, hand-offs. The input is a program: datagrams raw, valid, mutated and in fragments from
// clients proven and not, steps, time, changes of plan, a way out that is nearly closed.
// Properties: no check trips and no sanitizer reports; memory stays under its limit; whoever is not
// proven gets no more than it sent; every packet that was kept is let go of; and a client that
// behaves is served when the storm is over.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "program.h"
#include "worker/testing/datagram_client.h"
#include "worker/testing/fake_server.h"

namespace minos {
namespace {

constexpr std::uint8_t kPolicies = static_cast<std::uint8_t>(PolicyKind::kWorkStealing) + 1;
constexpr std::size_t kInputBytesMax = 2048;
constexpr std::size_t kFragmentsMax = 3000;  // in a run: each takes time
constexpr std::array<std::uint16_t, 4> kQueues = {1, 2, 3, 8};
constexpr std::size_t kClients = 4;  // the last of them never proves its address
constexpr std::size_t kStranger = kClients - 1;
constexpr std::uint16_t kFirstPort = 1000;
constexpr std::uint16_t kHonestPort = 2000;
constexpr std::size_t kLargeBytesMax = 1 * kMiB;

FakeServer::Options next_options(Program& program) {
  const std::uint8_t choice = program.byte();
  const std::uint8_t more = program.byte();
  FakeServer::Options options;
  options.policy = static_cast<PolicyKind>(choice % kPolicies);
  options.workers = static_cast<std::uint16_t>(1 + choice / kPolicies % 4);
  options.dispatchers = options.workers == 4 ? 2 : 1;
  options.rx_queues = kQueues[more % kQueues.size()];
  options.memory_bytes = 16 * kMiB;
  options.quantum_bytes = std::uint64_t{4096} << (more / 4 % 4);
  options.evict = more < 200;
  return options;
}

class Storm {
 public:
  explicit Storm(Program& program)
      : program_(program),
        options_(next_options(program)),
        server_(options_),
        large_(kLargeBytesMax, 'v') {
    for (std::size_t i = 0; i < kStranger; ++i) {
      DatagramClient hello(server_, static_cast<std::uint16_t>(kFirstPort + i));
      hello.learn_token();
      tokens_[i] = hello.token;
    }
  }

  void run() {
    while (!program_.done()) {
      act(program_.byte());
      collect();
      const MemoryUse memory = server_.store().memory();
      CHECK(memory.used_bytes <= memory.limit_bytes);
    }
    calm();
    serve_honest();
  }

 private:
  void act(std::uint8_t action) {
    client_ = action % kClients;
    switch (action / kClients % 8) {
      case 0:
        send(program_.take(program_.byte()));
        break;
      case 1:
      case 2:
        send_request();
        break;
      case 3:
        send_fragments();
        break;
      case 4:
        step();
        break;
      case 5:
        pass_time();
        break;
      case 6:
        change_plan(program_.byte());
        break;
      case 7: {
        const std::uint8_t packets = program_.byte();
        server_.datagrams().packets_per_flush = packets == 255 ? ~std::size_t{0} : packets;
        break;
      }
    }
  }

  void send(std::string_view bytes) {
    Peer peer;
    peer.port = static_cast<std::uint16_t>(kFirstPort + client_);
    peer.queue = QueueId{static_cast<std::uint16_t>(sent_++ % options_.rx_queues)};
    server_.datagrams().send(peer, bytes);
    if (client_ == kStranger) ++strange_requests_;
  }

  // One of a few keys and ids, so that requests meet.
  Datagram request(DatagramOp op) {
    Datagram out;
    const std::uint8_t choice = program_.byte();
    out.header.op = op;
    out.header.request_id = choice / 16;
    out.header.token = tokens_[client_];
    out.header.retry = choice % 2 != 0;
    out.key = std::string_view(keys_).substr(0, 1 + choice / 2 % 8);
    const bool keyless = op == DatagramOp::kNoop || op == DatagramOp::kMultiGet ||
                         op == DatagramOp::kStats || op == DatagramOp::kFlushAll;
    if (keyless) out.key = {};
    return out;
  }

  void send_request() {
    Datagram asked = request(static_cast<DatagramOp>(program_.byte() % kDatagramOps));
    const std::uint8_t detail = program_.byte();
    asked.number = detail % 4 == 0 ? detail : 0;
    asked.expiry = detail / 4 % 4;
    std::string payload;
    if (is_store(asked.header.op)) {
      payload = detail < 128 ? std::to_string(detail) : large_.substr(0, detail * std::size_t{5});
      asked.header.value_bytes = static_cast<std::uint32_t>(payload.size());
    } else if (asked.header.op == DatagramOp::kMultiGet) {
      for (std::size_t i = 0; i <= detail % 70; ++i) {
        const std::size_t bytes = 1 + i % 8;
        payload += static_cast<char>(bytes);
        payload += keys_.substr(0, bytes);
      }
    } else if (asked.header.op == DatagramOp::kGet && detail >= 64) {
      asked.header.fragment_bytes = static_cast<std::uint16_t>(detail * 8);
      asked.header.value_bytes = detail * 700U;
      asked.header.offset = detail % 8U * asked.header.fragment_bytes;
    }
    std::string bytes = bytes_of(asked, payload);
    const std::uint8_t mutations = program_.byte();
    for (std::uint8_t i = 0; mutations > 128 && i < mutations % 8; ++i) {
      const std::size_t at = program_.byte() % bytes.size();
      bytes[at] = static_cast<char>(program_.byte());
    }
    if (mutations % 16 == 15) bytes.resize(bytes.size() * mutations / 256);
    send(bytes);
  }

  static std::string bytes_of(const Datagram& datagram, std::string_view payload) {
    std::string bytes(kDatagramFrontBytesMax, '\0');
    bytes.resize(write_front(datagram, bytes.data()));
    bytes += payload;
    return bytes;
  }

  // Some of the fragments of one value, in either order.
  void send_fragments() {
    constexpr std::array<DatagramOp, 6> kOps = {DatagramOp::kSet,    DatagramOp::kAdd,
                                                DatagramOp::kAppend, DatagramOp::kPrepend,
                                                DatagramOp::kCas,    DatagramOp::kReplace};
    Datagram part = request(kOps[program_.byte() % kOps.size()]);
    const std::uint8_t size = program_.byte();
    const std::uint8_t pattern = program_.byte();
    const std::size_t bytes = size < 200 ? 300U * (1U + size) : (size - 195U) * 17'000U;
    // Values of one id differ in their fragments now and then, which no client's do.
    const std::size_t each = pattern % 32 == 0 ? 600 : 1200;
    part.header.value_bytes = static_cast<std::uint32_t>(bytes);
    part.header.fragment_bytes = static_cast<std::uint16_t>(each);
    const std::size_t count = (bytes + each - 1) / each;
    for (std::size_t i = 0; i < count && fragments_ < kFragmentsMax; ++i) {
      if (pattern >= 64 && (i + pattern) % 5 == 0) continue;
      const std::size_t at = (pattern % 2 == 0 ? i : count - 1 - i) * each;
      part.header.offset = static_cast<std::uint32_t>(at);
      part.header.retry = pattern / 2 % 2 != 0 && i + 1 == count;
      send(bytes_of(part, std::string_view(large_).substr(at, std::min(each, bytes - at))));
      ++fragments_;
    }
  }

  void step() {
    const std::uint8_t choice = program_.byte();
    if (choice % 2 == 0) {
      for (int i = 0; i < choice / 8; ++i) server_.step_all();
    } else {
      server_.step(CoreId{static_cast<std::uint16_t>(choice / 2 % options_.workers)});
    }
  }

  void pass_time() {
    const std::uint8_t choice = program_.byte();
    if (choice == 255) {
      server_.advance(std::chrono::minutes(61));
    } else {
      server_.advance(choice < 128 ? micros(choice) : millis(100) * (choice - 127));
    }
    server_.step_all();
  }

  void change_plan(std::uint8_t choice) {
    if (choice % 4 == 0) return server_.plan_epoch();
    CorePlan plan = server_.plan();
    ++plan.version;
    plan.threshold_bytes = choice % 4 == 1 ? kReplyFragmentBytes : 10'000;
    plan.cores.back().large_range = {0, ~std::uint64_t{0}};  // what is large has an owner
    if (plan.core_count() >= 2 && owns_large(plan.cores.back().role)) {
      const bool elastic =
          plan.count(CoreRole::kElastic) + plan.count(CoreRole::kSmall) == plan.core_count() &&
          plan.count(CoreRole::kElastic) > 0;
      const std::size_t first_large = 1 + choice / 4 % (plan.cores.size() - 1);
      for (std::size_t i = 0; i < plan.cores.size(); ++i) {
        const CoreRole large = elastic ? CoreRole::kElastic : CoreRole::kLarge;
        plan.cores[i].role = i < first_large ? CoreRole::kSmall : large;
        const std::uint64_t min = i == first_large ? 0 : ~std::uint64_t{0};
        plan.cores[i].large_range = {min, ~std::uint64_t{0}};
      }
    }
    server_.publish(plan);
  }

  // What clients learn from what was sent to them.
  void collect() {
    for (const FakeDatagrams::Packet& packet : std::exchange(server_.datagrams().to_clients, {})) {
      CHECK(packet.bytes.size() >= kDatagramHeaderBytes);
      CHECK(packet.bytes.size() <= kDatagramBytesMax);
      const std::size_t client = packet.peer.port - std::size_t{kFirstPort};
      CHECK(client < kClients);
      if (client == kStranger) {
        // A header is the least that is answered at all.
        CHECK(packet.bytes.size() == kDatagramHeaderBytes);
        CHECK(++strange_replies_ <= strange_requests_);
        continue;
      }
      const auto reply = parse_reply(packet.bytes);
      if (reply && reply->header.token != 0) tokens_[client] = reply->header.token;
    }
  }

  // Everything comes to its end: what can be answered is, and what nothing comes of is forgotten.
  void calm() {
    server_.datagrams().packets_per_flush = ~std::size_t{0};
    CHECK(server_.run());
    for (int i = 0; i < 3; ++i) {
      server_.advance(kAssemblyIdleMax);
      server_.step_all();
      CHECK(server_.run());
    }
    collect();
    CHECK(server_.datagrams().kept == 0);
    const MemoryUse memory = server_.store().memory();
    CHECK(memory.used_bytes <= memory.limit_bytes);
  }

  void serve_honest() {
    DatagramClient client(server_, kHonestPort);
    client.learn_token();
    for (const std::size_t bytes : {std::size_t{100}, std::size_t{20'000}}) {
      const std::string_view value = std::string_view(large_).substr(0, bytes);
      const DatagramStatus status = store_honestly(client, value);
      if (!options_.evict && status == DatagramStatus::kOutOfMemory) return;
      CHECK(status == DatagramStatus::kOk);
      CHECK(client.get("honest", queue_of(client)) == value);
    }
  }

  std::uint16_t queue_of(DatagramClient& client) const {
    return static_cast<std::uint16_t>(client.next_id() % options_.rx_queues);
  }

  DatagramStatus store_honestly(DatagramClient& client, std::string_view value) {
    const Datagram set = DatagramClient::request(DatagramOp::kSet, "honest", value);
    const std::uint32_t id = client.next_id();
    const std::uint16_t queue = queue_of(client);
    if (value.size() <= 1200) {
      client.send(set, id, queue);
    } else {
      for (const Datagram& part : DatagramClient::fragments(set, 1200))
        client.send(part, id, queue);
    }
    CHECK(server_.run());
    const auto replies = client.take();
    CHECK(replies.size() == 1);
    return replies.front().datagram.header.status;
  }

  Program& program_;
  FakeServer::Options options_;
  FakeServer server_;
  std::string large_;
  std::string keys_ = std::string(8, 'k');
  std::array<std::uint64_t, kClients> tokens_{};
  std::size_t client_ = 0;
  std::size_t sent_ = 0;
  std::size_t fragments_ = 0;
  std::uint64_t strange_requests_ = 0;
  std::uint64_t strange_replies_ = 0;
};

}  // namespace
}  // namespace minos

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > minos::kInputBytesMax) return 0;
  minos::Program program({reinterpret_cast<const char*>(data), size});
  minos::Storm(program).run();
  return 0;
}
