#include "transport/tcp/socket.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace minos {
namespace {

using testing::HasSubstr;

// An address as getaddrinfo() gives it, with a port that the kernel chooses.
struct Address {
  explicit Address(const in_addr& address) {
    auto& in = reinterpret_cast<sockaddr_in&>(storage);
    in.sin_family = AF_INET;
    in.sin_addr = address;
    info.ai_family = AF_INET;
    info.ai_addrlen = sizeof in;
    fill();
  }
  explicit Address(const in6_addr& address) {
    auto& in = reinterpret_cast<sockaddr_in6&>(storage);
    in.sin6_family = AF_INET6;
    in.sin6_addr = address;
    info.ai_family = AF_INET6;
    info.ai_addrlen = sizeof in;
    fill();
  }
  void fill() {
    info.ai_socktype = SOCK_STREAM;
    info.ai_addr = reinterpret_cast<sockaddr*>(&storage);
  }

  sockaddr_storage storage{};
  addrinfo info{};
};

const in_addr kLoopback{htonl(INADDR_LOOPBACK)};
// 2001:db8::1 is for documentation: nobody has it, as where IPv6 is switched off.
const in6_addr kNobodys{{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}};

TEST(ListenEach, PassesOverWhatTheMachineLacks) {
  Address absent_family(kLoopback);
  absent_family.info.ai_family = AF_MAX;
  Address absent_address(kNobodys);
  Address present(kLoopback);
  absent_family.info.ai_next = &absent_address.info;
  absent_address.info.ai_next = &present.info;
  const auto listeners = listen_each(&absent_family.info, "test", 1);
  ASSERT_TRUE(listeners.has_value()) << listeners.error();
  ASSERT_EQ(listeners->size(), 1U);
  EXPECT_THAT(local_name(listeners->front().get()), HasSubstr("tcp:127.0.0.1:"));
}

TEST(ListenEach, FailsWhenNothingListens) {
  Address absent(kNobodys);
  const auto listeners = listen_each(&absent.info, "name:1", 1);
  ASSERT_FALSE(listeners.has_value());
  EXPECT_THAT(listeners.error(), HasSubstr("cannot listen on name:1: "));
}

TEST(ListenEach, AnAddressInUseIsAnError) {
  Address first(kLoopback);
  auto taken = listen_each(&first.info, "test", 1);
  ASSERT_TRUE(taken.has_value());
  socklen_t size = sizeof first.storage;
  ASSERT_EQ(::getsockname(taken->front().get(), first.info.ai_addr, &size), 0);
  Address second(kLoopback);
  second.info.ai_next = &first.info;
  const auto listeners = listen_each(&second.info, "test", 1);
  ASSERT_FALSE(listeners.has_value());
  EXPECT_THAT(listeners.error(), HasSubstr("in use"));
}

TEST(AcceptStream, GivesUpOnAFailureThatLasts) {
  const Fd deaf(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));  // accept() says EINVAL
  const auto accepted = accept_stream(deaf.get());
  ASSERT_FALSE(accepted.has_value());
  EXPECT_THAT(accepted.error(), HasSubstr("cannot accept a connection: "));
}

class UnixSocket : public testing::Test {
 protected:
  UnixSocket() {
    char name[] = "/tmp/minos_socket_XXXXXX";
    folder_ = ::mkdtemp(name);
    path_ = folder_ / "s";
    address_.sun_family = AF_UNIX;
    std::memcpy(address_.sun_path, path_.c_str(), path_.native().size());
  }
  ~UnixSocket() override { std::filesystem::remove_all(folder_); }

  // 0, or the errno.
  int connect(const Fd& client) const {
    const auto* to = reinterpret_cast<const sockaddr*>(&address_);
    return ::connect(client.get(), to, sizeof address_) == 0 ? 0 : errno;
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  sockaddr_un address_{};
};

TEST_F(UnixSocket, ReplacesAStaleOne) {
  ASSERT_TRUE(listen_unix(path_, 0700, 1).has_value());  // closed at once, the file stays
  EXPECT_TRUE(listen_unix(path_, 0700, 1).has_value());
}

TEST_F(UnixSocket, OneThatIsTooBusyToAnswerIsInUse) {
  const auto busy = listen_unix(path_, 0700, 1);
  ASSERT_TRUE(busy.has_value());
  std::vector<Fd> waiting;
  do {
    ASSERT_LT(waiting.size(), 100U);
    waiting.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  } while (connect(waiting.back()) == 0);
  const auto second = listen_unix(path_, 0700, 1);
  ASSERT_FALSE(second.has_value());
  EXPECT_THAT(second.error(), HasSubstr("in use"));
}

}  // namespace
}  // namespace minos
