#include "load/server_process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <random>
#include <string_view>
#include <system_error>
#include <thread>

namespace minos {
namespace {

constexpr Nanos kLookEvery = millis(5);
constexpr Nanos kTermTimeout = millis(5'000);
constexpr std::size_t kTailBytes = 1024;
constexpr std::size_t kGreetingBytes = 64 * kKiB;  // it must appear in the first of these

// Of ports: above what services use, below what the kernel gives away.
constexpr std::uint32_t kFirstPort = 10'000;
constexpr std::uint32_t kPortEnd = 32'000;
constexpr int kPortTries = 200;

using SteadyClock = std::chrono::steady_clock;

std::string errno_text(int error) {
  return std::generic_category().message(error);
}

// What minosd prints when it serves: "minosd VERSION on ADDRESSES: N workers, ...".
bool says_that_it_serves(std::string_view output) {
  while (!output.empty()) {
    const std::size_t end = output.find('\n');
    if (end == output.npos) return false;
    const std::string_view line = output.substr(0, end);
    if (line.starts_with("minosd ") && line.contains(" workers, ")) return true;
    output.remove_prefix(end + 1);
  }
  return false;
}

// All between fork() and exec(): other threads of the parent may hold any lock, so only system
// calls.
[[noreturn]] void become(char* const* arguments, const cpu_set_t* cpus, int output, pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(127);  // it died before
  // A signal to all that a terminal or timeout(1) started is for the owner, who ends it in order.
  ::setpgid(0, 0);
  ::dup2(output, STDOUT_FILENO);
  ::dup2(output, STDERR_FILENO);
  ::close(STDIN_FILENO);
  ::open("/dev/null", O_RDONLY);
  // Descriptors of the parent without O_CLOEXEC, such as those of DPDK.
  ::close_range(STDERR_FILENO + 1, ~0U, 0);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (cpus != nullptr && ::sched_setaffinity(0, sizeof(*cpus), cpus) != 0) {
    constexpr std::string_view kWhy = "its CPUs cannot be used\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, kWhy.data(), kWhy.size());
    ::_exit(127);
  }
  ::execv(arguments[0], arguments);
  const char* const why = ::strerrordesc_np(errno);
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, why, ::strlen(why));
  ::_exit(127);
}

bool can_bind(int kind, std::uint16_t port) {
  const int fd = ::socket(AF_INET, kind | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  ::close(fd);
  return bound;
}

}  // namespace

std::expected<std::unique_ptr<ServerProcess>, std::string> ServerProcess::start(
    const Options& options) {
  const int output = ::memfd_create("server output", MFD_CLOEXEC);
  if (output < 0) {
    return std::unexpected(fmt::format("cannot start {}: {}", options.program, errno_text(errno)));
  }
  std::unique_ptr<ServerProcess> server(new ServerProcess(options.program, output));
  if (auto spawned = server->spawn(options); !spawned) return std::unexpected(spawned.error());
  if (auto served = server->wait_until_it_serves(options.start_timeout); !served) {
    return std::unexpected(served.error());
  }
  return server;
}

std::expected<void, std::string> ServerProcess::spawn(const Options& options) {
  std::vector<std::string> words = {options.program};
  words.insert(words.end(), options.arguments.begin(), options.arguments.end());
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  for (const std::uint32_t cpu : options.cpus) CPU_SET(cpu, &cpus);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ == 0) {
    become(pointers.data(), options.cpus.empty() ? nullptr : &cpus, output_, parent);
  }
  if (pid_ > 0) return {};
  return std::unexpected(fmt::format("cannot start {}: {}", options.program, errno_text(errno)));
}

std::expected<void, std::string> ServerProcess::wait_until_it_serves(Nanos timeout) {
  const auto until = SteadyClock::now() + timeout;
  while (!says_that_it_serves(printed(kGreetingBytes))) {
    if (std::string ended = how_it_ended(); !ended.empty()) {
      return std::unexpected(std::move(ended));
    }
    if (SteadyClock::now() > until) {
      return std::unexpected(
          fmt::format("{} does not serve after {:.1f} s; the last that it said: {}", program_,
                      std::chrono::duration<double>(timeout).count(), last_lines()));
    }
    std::this_thread::sleep_for(kLookEvery);
  }
  return {};
}

ServerProcess::~ServerProcess() {
  if (pid_ > 0 && !reap(WNOHANG)) {
    ::kill(pid_, SIGTERM);
    ::kill(pid_, SIGCONT);  // one that is suspended would not hear it
    const auto until = SteadyClock::now() + kTermTimeout;
    while (!reap(WNOHANG) && SteadyClock::now() < until) std::this_thread::sleep_for(kLookEvery);
    if (!ended_) {
      ::kill(pid_, SIGKILL);
      reap(0);
    }
  }
  ::close(output_);
}

bool ServerProcess::reap(int flags) {
  while (!ended_) {
    const pid_t got = ::waitpid(pid_, &status_, flags);
    if (got < 0 && errno == EINTR) continue;
    ended_ = got != 0;
    break;
  }
  return ended_;
}

void ServerProcess::suspend() {
  if (reap(WNOHANG) || ::kill(pid_, SIGSTOP) != 0) return;
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, WUNTRACED);
  } while (got < 0 && errno == EINTR);
  if (got != pid_ || WIFSTOPPED(status)) return;
  ended_ = true;
  status_ = status;
}

void ServerProcess::resume() {
  if (!reap(WNOHANG)) ::kill(pid_, SIGCONT);
}

std::string ServerProcess::how_it_ended() {
  if (!reap(WNOHANG)) return {};
  const std::string how =
      WIFSIGNALED(status_)
          ? fmt::format("by signal {} ({})", WTERMSIG(status_), ::sigabbrev_np(WTERMSIG(status_)))
          : fmt::format("with exit code {}", WEXITSTATUS(status_));
  return fmt::format("{} ended {}; the last that it said: {}", program_, how, last_lines());
}

std::string ServerProcess::printed(std::size_t bytes_max) const {
  std::string text(bytes_max, '\0');
  const ssize_t got = ::pread(output_, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text;
}

std::string ServerProcess::last_lines() const {
  const off_t end = ::lseek(output_, 0, SEEK_END);
  std::array<char, kTailBytes> tail{};
  const off_t from = std::max<off_t>(end - static_cast<off_t>(tail.size()), 0);
  const ssize_t got = ::pread(output_, tail.data(), tail.size(), from);
  std::string text(tail.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  if (from > 0) text.erase(0, text.find('\n') + 1);
  while (text.ends_with('\n')) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return text.empty() ? "nothing" : text;
}

std::expected<std::uint16_t, std::string> free_loopback_ports(std::uint16_t count) {
  std::random_device random;
  for (int i = 0; i < kPortTries; ++i) {
    const std::uint32_t first = kFirstPort + random() % (kPortEnd - kFirstPort - count);
    bool all_free = true;
    for (std::uint32_t port = first; all_free && port < first + count; ++port) {
      for (const int kind : {SOCK_STREAM, SOCK_DGRAM}) {
        all_free = all_free && can_bind(kind, static_cast<std::uint16_t>(port));
      }
    }
    if (all_free) return static_cast<std::uint16_t>(first);
  }
  return std::unexpected(fmt::format("no {} free ports in a row on 127.0.0.1", count));
}

std::expected<TemporaryFolder, std::string> TemporaryFolder::create() {
  std::string path = "/tmp/minos-XXXXXX";  // whatever TMPDIR says, which may be long
  if (::mkdtemp(path.data()) == nullptr) {
    return std::unexpected(fmt::format("cannot make a folder {}: {}", path, errno_text(errno)));
  }
  return TemporaryFolder(std::move(path));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

}  // namespace minos
