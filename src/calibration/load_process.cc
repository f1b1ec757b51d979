#include "calibration/load_process.h"

#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace minos {

namespace {

constexpr std::size_t kSaidBytesMax = 1024;

std::string error_text(int error) {
  return std::generic_category().message(error);
}

}  // namespace

std::expected<std::unique_ptr<LoadProcess>, std::string> LoadProcess::start(
    const std::string& program, const std::vector<std::string>& arguments) {
  const int output = ::memfd_create("load errors", MFD_CLOEXEC);
  if (output < 0) return std::unexpected(error_text(errno));
  std::unique_ptr<LoadProcess> load(new LoadProcess(output));
  std::vector<std::string> words = {program};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
  ::posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", 1, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  const int failed =
      ::posix_spawn(&load->pid_, pointers[0], &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    load->ended_ = true;
    return std::unexpected(fmt::format("cannot start {}: {}", program, error_text(failed)));
  }
  return load;
}

LoadProcess::~LoadProcess() {
  if (!ended_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, &status_, 0);
  }
  ::close(output_);
}

std::string LoadProcess::how_it_ended() {
  if (!ended_ && ::waitpid(pid_, &status_, WNOHANG) == 0) return {};
  ended_ = true;
  std::array<char, kSaidBytesMax> said;
  const ssize_t bytes = ::pread(output_, said.data(), said.size(), 0);
  if (bytes > 0) return {said.data(), static_cast<std::size_t>(bytes)};
  return fmt::format("minos load ended with status {}", status_);
}

}  // namespace minos
