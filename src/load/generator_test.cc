#include "load/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>

#include "load/client_loop.h"
#include "load/report.h"

namespace minos {
namespace {

using ::testing::HasSubstr;

// Takes connections one after another on a port of its own and serves each with `serve` until that
// returns or the test ends; `serve` gets the socket.
class FakeServer {
 public:
  explicit FakeServer(std::function<void(int)> serve) {
    listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    socklen_t size = sizeof(address);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, serve = std::move(serve)] {
      std::vector<std::jthread> sessions;
      for (;;) {
        const int fd = ::accept(listener_, nullptr, nullptr);
        if (fd < 0) return;
        sessions.emplace_back([serve, fd] {
          serve(fd);
          ::close(fd);
        });
      }
    });
  }

  ~FakeServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  Address address() const { return {.host = "127.0.0.1", .port = port_}; }

 private:
  int listener_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

std::mutex store_mutex;
std::map<std::string, std::string> store;

std::string answer(const std::string& line, const std::string& body) {
  const std::lock_guard lock(store_mutex);
  const std::string key = line.substr(4, KeySpace::kKeyBytes);
  if (line.starts_with("set ")) {
    store[key] = body;
    return "STORED\r\n";
  }
  const auto found = store.find(key);
  if (found == store.end()) return "END\r\n";
  return "VALUE " + key + " 0 " + std::to_string(found->second.size()) + "\r\n" + found->second +
         "\r\nEND\r\n";
}

// A memcached of get and set.
void serve_store(int fd) {
  std::string input;
  std::vector<char> buffer(1 << 20);
  for (ssize_t n = 0; (n = ::read(fd, buffer.data(), buffer.size())) > 0;) {
    input.append(buffer.data(), static_cast<std::size_t>(n));
    std::string replies;
    for (std::size_t end = 0; (end = input.find("\r\n")) != input.npos;) {
      const std::string line = input.substr(0, end);
      const bool is_set = line.starts_with("set ");
      const std::size_t bytes = is_set ? std::stoul(line.substr(line.rfind(' '))) : 0;
      const std::size_t all = end + 2 + (is_set ? bytes + 2 : 0);
      if (input.size() < all) break;
      replies += answer(line, input.substr(end + 2, bytes));
      input.erase(0, all);
    }
    send_all(fd, replies);
  }
}

LoadOptions short_load(const FakeServer& server) {
  LoadOptions options;
  options.server = server.address();
  options.connections = 4;
  options.keys = 500;
  options.large_keys = 5;
  options.large_max = 100'000;
  options.large_percent = 5;
  options.get_ratio = 0.8;
  options.duration_s = 0.3;
  options.warmup_s = 0.05;
  options.timeout_s = 0.5;
  options.verify = true;
  return options;
}

class GeneratorModes : public ::testing::TestWithParam<bool> {};

TEST_P(GeneratorModes, EveryValueComesBack) {
  const bool open = GetParam();
  store.clear();
  FakeServer server(serve_store);
  LoadOptions options = short_load(server);
  options.threads = 2;
  options.timeout_s = 5;
  if (open) {
    options.rate = 2000;
    options.spread = Spread::kIdle;
    options.kernel_times = true;
  } else {
    options.closed = true;
    options.depth = 4;
  }
  ASSERT_TRUE(check_options(options));
  const LoadReport report = run_load(options, {});
  EXPECT_EQ(report.error, "");
  EXPECT_EQ(report.preloaded, 505U);
  EXPECT_EQ(report.unanswered, 0U);
  const auto json = load_report_json(options, report);
  const auto& all = json["classes"]["all"];
  EXPECT_GT(all["count"], 100);
  EXPECT_EQ(all["misses"], 0);
  EXPECT_EQ(all["wrong"], 0);
  EXPECT_EQ(json["classes"]["all_small"]["count"].get<int>() +
                json["classes"]["large"]["count"].get<int>(),
            all["count"].get<int>());
  if (open) {
    EXPECT_NEAR(all["count"].get<int>(), 600, 150) << "all that was offered in 0.3 s";
    EXPECT_EQ(json["issued"].get<int>(), all["count"].get<int>());
    // What the kernels take is part of what the client waits for.
    EXPECT_GT(all["kernel_p50_us"], 0);
    EXPECT_LE(all["kernel_p50_us"], all["p50_us"]);
    EXPECT_LE(all["kernel_p99_us"], all["p99_us"]);
    EXPECT_LE(json["slices"]["kernel_p99_us"], json["slices"]["p99_us"]);
  } else {
    EXPECT_TRUE(all["kernel_p50_us"].is_null());
  }
  EXPECT_THAT(load_report_text(options, report), HasSubstr("all small"));
}

INSTANTIATE_TEST_SUITE_P(OpenAndClosed, GeneratorModes, ::testing::Bool());

TEST(Generator, CountsMissesWithoutPreload) {
  store.clear();
  FakeServer server(serve_store);
  LoadOptions options = short_load(server);
  options.closed = true;
  options.preload = false;
  options.get_ratio = 1;
  const LoadReport report = run_load(options, {});
  EXPECT_EQ(report.error, "");
  const ClassStats& small = report.recorder->of(LoadClass::kSmall);
  EXPECT_GT(small.misses, 0U);
  EXPECT_EQ(small.misses, small.latency_ns.count());
}

// A server that cannot keep up must not look fast.
TEST(Generator, OverloadShowsInWhatIsNotSent) {
  store.clear();
  FakeServer server(serve_store);
  LoadOptions options = short_load(server);
  options.rate = 5e7;
  options.preload = false;
  const LoadReport report = run_load(options, {});
  EXPECT_GT(report.unissued, 1'000'000U);
  const auto json = load_report_json(options, report);
  EXPECT_EQ(json["classes"]["all"]["count"], 0);
  EXPECT_TRUE(json["classes"]["all"]["p99_us"].is_null());
  EXPECT_TRUE(json["slices"]["p99_us"].is_null());
}

TEST(Generator, ReportsAServerThatIsDown) {
  LoadOptions options;
  options.server = {.host = "127.0.0.1", .port = 1};
  options.closed = true;
  EXPECT_EQ(run_load(options, {}).error, "cannot connect to 127.0.0.1:1: Connection refused");
}

TEST(Generator, ReportsAServerThatCloses) {
  FakeServer server([](int fd) {
    char byte[512];
    for (int i = 0; i < 20; ++i) {
      if (::read(fd, byte, sizeof(byte)) <= 0) return;
      send_all(fd, "END\r\n");
    }
    // A close with unread requests would reset the connection instead.
    ::shutdown(fd, SHUT_WR);
    while (::read(fd, byte, sizeof(byte)) > 0) {
    }
  });
  LoadOptions options = short_load(server);
  options.closed = true;
  options.preload = false;
  options.get_ratio = 1;
  options.warmup_s = 0;
  const LoadReport report = run_load(options, {});
  EXPECT_THAT(report.error, HasSubstr("closed the connection"));
  EXPECT_GE(
      report.recorder->of(LoadClass::kTiny).misses + report.recorder->of(LoadClass::kSmall).misses,
      15U);
}

TEST(Generator, NeverHangsOnASilentServer) {
  FakeServer server([](int fd) {
    std::vector<char> sink(1 << 16);
    while (::read(fd, sink.data(), sink.size()) > 0) {
    }
  });
  for (const bool preload : {true, false}) {
    LoadOptions options = short_load(server);
    options.closed = true;
    options.preload = preload;
    options.duration_s = 100;
    const Nanos start = monotonic_now();
    EXPECT_THAT(run_load(options, {}).error, HasSubstr("has not answered for 0.5 s"));
    EXPECT_LT(monotonic_now() - start, millis(3000));
  }
}

TEST(Generator, StopsAtARefusedPreload) {
  FakeServer server([](int fd) {
    char byte = 0;
    int lines = 0;
    while (::read(fd, &byte, 1) > 0) {
      if (byte == '\n' && ++lines % 2 == 0) send_all(fd, "SERVER_ERROR out of memory\r\n");
    }
  });
  LoadOptions options = short_load(server);
  options.closed = true;
  const LoadReport report = run_load(options, {});
  EXPECT_EQ(report.error,
            "the server refused 505 of 505 values to preload, the first: "
            "SERVER_ERROR out of memory");
  EXPECT_EQ(report.first_refusal, "SERVER_ERROR out of memory");
  EXPECT_FALSE(report.recorder);
}

}  // namespace
}  // namespace minos
