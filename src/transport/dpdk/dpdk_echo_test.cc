#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "transport/dpdk/testing/echo.h"

// Server and client are processes of their own, this program again: EAL can be started only once in
// a process, and clients are to be killed.
namespace minos {
namespace {

// A child process that does not outlive the test.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "/proc/self/exe");
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(ends[1], STDOUT_FILENO);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(ends[1]);
    output_ = ends[0];
  }
  ~Child() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      wait();
    }
    ::close(output_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  void signal(int number) const { ::kill(pid_, number); }
  // The exit status; 128 and the signal if one killed it.
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  // False when it ended without having said anything.
  bool wait_for_output() const {
    char byte;
    return ::read(output_, &byte, 1) == 1;
  }

 private:
  pid_t pid_ = 0;
  int output_ = -1;
};

class DpdkEcho : public ::testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "minos_dpdk_XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    server_ = std::make_unique<Child>(
        std::vector<std::string>{"server", path(), std::to_string(GetParam())});
    ASSERT_TRUE(server_->wait_for_output());
  }

  void TearDown() override {
    server_->signal(SIGTERM);
    EXPECT_EQ(server_->wait(), 0) << "the server lost something, or died";
    ::unlink(path().c_str());
    ::rmdir(folder_.c_str());
  }

  std::string path() const { return folder_ + "/vhost.sock"; }
  int client(const std::string& scenario) { return Child({"client", path(), scenario}).wait(); }

 private:
  std::string folder_;
  std::unique_ptr<Child> server_;
};

TEST_P(DpdkEcho, EverySizeIsAnsweredFromThePortThatWasAsked) {
  EXPECT_EQ(client("sizes"), 0);
}

TEST_P(DpdkEcho, SmallRepliesHaveRoomWhenTheWayOutIsFullOfLargeOnes) {
  EXPECT_EQ(client("large"), 0);
}

TEST_P(DpdkEcho, KeptPacketsStayAsTheyWere) {
  EXPECT_EQ(client("keep"), 0);
}

TEST_P(DpdkEcho, ArpAndPingAreAnswered) {
  EXPECT_EQ(client("ping"), 0);
}

TEST_P(DpdkEcho, ServerOutlivesClientsThatAreKilled) {
  for (int i = 0; i < 3; ++i) {
    Child victim({"client", path(), "forever"});
    ASSERT_TRUE(victim.wait_for_output());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    victim.signal(SIGKILL);
    EXPECT_EQ(victim.wait(), 128 + SIGKILL);
  }
  EXPECT_EQ(client("sizes"), 0);
}

INSTANTIATE_TEST_SUITE_P(Threads, DpdkEcho, ::testing::Values(1u, 2u));

}  // namespace
}  // namespace minos

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "server") {
    return minos::echo::serve(argv[2], static_cast<std::uint16_t>(std::stoul(argv[3])));
  }
  if (argc == 4 && std::string(argv[1]) == "client") {
    return minos::echo::run_client(argv[2], argv[3]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
