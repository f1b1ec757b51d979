#include "load/server_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

namespace minos {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A shell in the place of minosd.
ServerProcess::Options shell(const std::string& script) {
  return {.program = "/bin/sh", .arguments = {"-c", script}, .cpus = {}};
}

const std::string kGreeting = "echo 'minosd 1 on udp: 1 workers, x' >&2; ";

bool exists(pid_t pid) {
  return ::kill(pid, 0) == 0;
}

// Of a process: R, S, T, ...
char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string id;
  std::string name;
  char state = '?';
  file >> id >> name >> state;
  return state;
}

TEST(ServerProcess, EndsWithItsOwner) {
  auto server = ServerProcess::start(shell("echo hello; " + kGreeting + "exec sleep 100"));
  ASSERT_TRUE(server) << server.error();
  const pid_t pid = (*server)->pid();
  EXPECT_TRUE(exists(pid));
  EXPECT_EQ((*server)->how_it_ended(), "");
  EXPECT_EQ((*server)->last_lines(), "hello minosd 1 on udp: 1 workers, x");
  server->reset();
  EXPECT_FALSE(exists(pid));
}

TEST(ServerProcess, IsNotReachedByASignalToTheGroupOfItsOwner) {
  auto server = ServerProcess::start(shell(kGreeting + "exec sleep 100"));
  ASSERT_TRUE(server) << server.error();
  EXPECT_EQ(::getpgid((*server)->pid()), (*server)->pid());
}

TEST(ServerProcess, SaysWhyItDidNotStart) {
  const auto server = ServerProcess::start(shell("echo first; echo no such device >&2; exit 3"));
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error(),
              AllOf(HasSubstr("/bin/sh"), HasSubstr("exit code 3"), HasSubstr("no such device")));
}

TEST(ServerProcess, SaysThatThereIsNoSuchProgram) {
  const auto server =
      ServerProcess::start({.program = "/nowhere/minosd", .arguments = {}, .cpus = {}});
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error(), AllOf(HasSubstr("/nowhere/minosd"), HasSubstr("No such file")));
}

TEST(ServerProcess, DoesNotWaitForEver) {
  auto options = shell("echo still busy; exec sleep 100");
  options.start_timeout = millis(200);
  const auto server = ServerProcess::start(options);
  ASSERT_FALSE(server);
  EXPECT_THAT(server.error(), AllOf(HasSubstr("0.2 s"), HasSubstr("still busy")));
}

TEST(ServerProcess, SaysHowItEndedAndShowsTheEndOfWhatItPrinted) {
  auto server = ServerProcess::start(shell(
      kGreeting + "i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; kill -9 $$"));
  ASSERT_TRUE(server) << server.error();
  std::string ended;
  for (int i = 0; ended.empty() && i < 1000; ++i) {
    std::this_thread::sleep_for(millis(5));
    ended = (*server)->how_it_ended();
  }
  EXPECT_THAT(ended, AllOf(HasSubstr("signal 9 (KILL)"), HasSubstr("line 498 line 499")));
  EXPECT_LT(ended.size(), 1200U);
}

TEST(ServerProcess, KillsWhatDoesNotListen) {
  auto server = ServerProcess::start(shell("trap '' TERM; " + kGreeting + "sleep 7; sleep 100"));
  ASSERT_TRUE(server) << server.error();
  const pid_t pid = (*server)->pid();
  const auto start = std::chrono::steady_clock::now();
  server->reset();
  EXPECT_FALSE(exists(pid));
  EXPECT_LT(std::chrono::steady_clock::now() - start, millis(6'800));
}

TEST(ServerProcess, StandsStillWhileSuspendedAndEndsAllTheSame) {
  auto server = ServerProcess::start(shell(kGreeting + "while :; do :; done"));
  ASSERT_TRUE(server) << server.error();
  const pid_t pid = (*server)->pid();
  (*server)->suspend();
  EXPECT_EQ(state_of(pid), 'T');
  EXPECT_EQ((*server)->how_it_ended(), "");
  (*server)->resume();
  for (int i = 0; i < 1000 && state_of(pid) == 'T'; ++i) std::this_thread::sleep_for(millis(1));
  EXPECT_NE(state_of(pid), 'T');
  (*server)->suspend();
  server->reset();
  EXPECT_FALSE(exists(pid));
}

TEST(ServerProcess, RunsWhereItIsPinned) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ASSERT_EQ(::sched_getaffinity(0, sizeof(allowed), &allowed), 0);
  std::uint32_t last = 0;
  for (std::uint32_t i = 0; i < CPU_SETSIZE; ++i) {
    if (CPU_ISSET(i, &allowed)) last = i;
  }
  auto options = shell(kGreeting + "exec sleep 100");
  options.cpus = {last};
  auto server = ServerProcess::start(options);
  ASSERT_TRUE(server) << server.error();
  cpu_set_t given;
  CPU_ZERO(&given);
  ASSERT_EQ(::sched_getaffinity((*server)->pid(), sizeof(given), &given), 0);
  EXPECT_EQ(CPU_COUNT(&given), 1);
  EXPECT_TRUE(CPU_ISSET(last, &given));

  options.cpus = {CPU_SETSIZE - 1};
  const auto nowhere = ServerProcess::start(options);
  ASSERT_FALSE(nowhere);
  EXPECT_THAT(nowhere.error(), HasSubstr("its CPUs cannot be used"));
}

// A parent that is killed has no destructors.
TEST(ServerProcess, DiesWithItsParent) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  // Orphans come here instead of to the first process, so that it is seen how this one ends.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  const pid_t parent = ::fork();
  if (parent == 0) {
    auto server = ServerProcess::start(shell(kGreeting + "exec sleep 100"));
    const pid_t pid = server ? (*server)->pid() : -1;
    [[maybe_unused]] const auto written = ::write(pipe_ends[1], &pid, sizeof(pid));
    ::kill(::getpid(), SIGKILL);
  }
  pid_t orphan = -1;
  ASSERT_EQ(::read(pipe_ends[0], &orphan, sizeof(orphan)), static_cast<ssize_t>(sizeof(orphan)));
  ASSERT_EQ(::waitpid(parent, nullptr, 0), parent);
  int status = 0;
  ASSERT_EQ(::waitpid(orphan, &status, 0), orphan);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM) << status;
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST(FreeLoopbackPorts, AreFree) {
  const auto first = free_loopback_ports(8);
  ASSERT_TRUE(first) << first.error();
  EXPECT_GE(*first, 10'000);
  EXPECT_LE(*first + 8, 32'768);
}

TEST(TemporaryFolder, GoesWithAllThatIsInIt) {
  std::string path;
  {
    auto folder = TemporaryFolder::create();
    ASSERT_TRUE(folder) << folder.error();
    path = folder->path();
    std::ofstream(path + "/file") << "x";
    const TemporaryFolder moved = std::move(*folder);
    EXPECT_TRUE(std::filesystem::exists(moved.path() + "/file"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace minos
