#include "server/acceptor.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "server/steady_clock.h"
#include "worker/planner.h"

namespace minos {
namespace {

ControllerOptions controller_options(std::uint16_t cores) {
  ControllerOptions options;
  options.policy = PolicyKind::kElastic;
  options.cores = cores;
  return options;
}

// An acceptor on a UNIX socket, and workers that the test plays itself: they take connections out
// of their rings, or do not.
class AcceptorTest : public testing::Test {
 protected:
  AcceptorTest() {
    char name[] = "/tmp/minos_acceptor_XXXXXX";
    folder_ = ::mkdtemp(name);
  }
  ~AcceptorTest() override {
    for (const int fd : taken_) ::close(fd);
    std::filesystem::remove_all(folder_);
  }

  void start(std::uint16_t workers) {
    mesh_ = std::make_unique<Mesh>(workers);
    plans_ = std::make_unique<PlanBoard>(Planner::initial(controller_options(workers)), workers);
    auto listener = listen_unix(folder_ / "s", 0700, 1024);
    ASSERT_TRUE(listener.has_value()) << listener.error();
    std::vector<Fd> listeners;
    listeners.push_back(std::move(*listener));
    auto created =
        Acceptor::create({*mesh_, *plans_, *policy_, clock_, registry_, kItemBytesDefault},
                         std::move(listeners), [](CoreId) {});
    ASSERT_TRUE(created.has_value()) << created.error();
    acceptor_ = std::move(*created);
  }

  void connect(int count) {
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    const std::string path = folder_ / "s";
    std::memcpy(to.sun_path, path.data(), path.size());
    for (int i = 0; i < count; ++i) {
      clients_.emplace_back(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
      ASSERT_EQ(::connect(clients_.back().get(), reinterpret_cast<sockaddr*>(&to), sizeof to), 0);
    }
  }

  bool has_work(std::chrono::milliseconds within = {}) const {
    pollfd wanted{acceptor_->descriptor(), POLLIN, 0};
    return ::poll(&wanted, 1, static_cast<int>(within.count())) == 1;
  }

  void accept_all() {
    while (has_work()) acceptor_->accept_some();
  }

  // What the worker finds in its ring, up to `count`.
  int take(CoreId core, int count) {
    int taken = 0;
    while (taken < count) {
      const Mesh::Message message = mesh_->try_pop(core);
      if (message == nullptr) break;
      taken_.push_back(message->route().handle);
      ++taken;
    }
    return taken;
  }

  static constexpr int kRing = kMeshRingMessages;

  std::filesystem::path folder_;
  SteadyClock clock_;
  std::unique_ptr<const Policy> policy_ = make_policy(PolicyKind::kElastic);
  ConnectionRegistry registry_{4096};
  std::unique_ptr<Mesh> mesh_;
  std::unique_ptr<PlanBoard> plans_;
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<Fd> clients_;
  std::vector<int> taken_;
};

TEST_F(AcceptorTest, DoesABoundedPartAtATime) {
  start(1);
  connect(kAcceptsPerWake + 10);
  ASSERT_TRUE(has_work());
  acceptor_->accept_some();
  EXPECT_EQ(registry_.open_count(), kAcceptsPerWake);
  ASSERT_TRUE(has_work());
  acceptor_->accept_some();
  EXPECT_EQ(registry_.open_count(), kAcceptsPerWake + 10);
  EXPECT_FALSE(has_work());
}

TEST_F(AcceptorTest, AFullRingDoesNotBlockAndLosesNothing) {
  start(1);
  connect(kRing + 40);
  const Nanos begin = clock_.now();
  accept_all();
  EXPECT_LT(clock_.now() - begin, millis(500));
  EXPECT_EQ(registry_.open_count(), kRing + 1U);  // one in hand, the rest in the backlog
  // Tries again now and then, in vain.
  ASSERT_TRUE(has_work(std::chrono::seconds(5)));
  accept_all();
  EXPECT_EQ(registry_.open_count(), kRing + 1U);

  EXPECT_EQ(take(CoreId{0}, kRing), kRing);
  ASSERT_TRUE(has_work(std::chrono::seconds(5)));
  accept_all();
  EXPECT_EQ(take(CoreId{0}, kRing), 40);
  EXPECT_EQ(registry_.rejected_total(), 0U);
}

TEST_F(AcceptorTest, AWorkerThatTakesNothingDoesNotHoldUpTheOthers) {
  start(2);
  connect(2 * kRing);
  accept_all();
  EXPECT_EQ(take(CoreId{1}, 100), 100);
  connect(100);
  accept_all();
  EXPECT_EQ(registry_.open_count(), 2U * kRing);
  EXPECT_EQ(take(CoreId{1}, kRing), kRing);
}

TEST_F(AcceptorTest, ClosesWhatNobodyTook) {
  start(1);
  connect(kRing + 1);
  accept_all();
  acceptor_.reset();
  char byte = 0;
  EXPECT_EQ(::recv(clients_.back().get(), &byte, 1, 0), 0);
}

}  // namespace
}  // namespace minos
