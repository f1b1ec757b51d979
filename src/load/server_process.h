#pragma once

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/units.h"

namespace minos {

// A minosd of this machine that lives as long as this object. One thread at a time.
//
// It dies with the thread that called start(), too: that is what the kernel can promise when this
// process is killed.
class ServerProcess {
 public:
  struct Options {
    std::string program;  // a path; PATH is not searched
    std::vector<std::string> arguments;
    std::vector<std::uint32_t> cpus;  // all of its threads may run on these alone; empty: on any
    Nanos start_timeout = millis(30'000);
  };

  // Returns once it says that it serves. Errors: sentences that end with the last lines that it
  // printed.
  static std::expected<std::unique_ptr<ServerProcess>, std::string> start(const Options& options);

  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  // Ends it by SIGTERM; by SIGKILL if it is still there 5 s later.
  ~ServerProcess();

  pid_t pid() const { return pid_; }

  // Stops and resumes all its threads (SIGSTOP, SIGCONT): of servers that poll on one CPU only one
  // should run. suspend() returns when they stand still.
  void suspend();
  void resume();

  // How it ended, and the last lines that it printed; empty while it runs.
  std::string how_it_ended();

  // The last lines that it printed, as one line, at most 1 KiB.
  std::string last_lines() const;

 private:
  ServerProcess(std::string program, int output) : program_(std::move(program)), output_(output) {}

  std::expected<void, std::string> spawn(const Options& options);
  std::expected<void, std::string> wait_until_it_serves(Nanos timeout);
  std::string printed(std::size_t bytes_max) const;
  bool reap(int flags);

  std::string program_;
  int output_;  // a file in memory: a pipe that nobody reads would hold the server up
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;  // as of waitpid(), once ended_
};

// The first of `count` ports in a row that nobody on 127.0.0.1 has bound, neither for TCP nor for
// UDP; below those that the kernel gives away. Somebody else may bind them before the caller does.
std::expected<std::uint16_t, std::string> free_loopback_ports(std::uint16_t count);

// A folder of this process alone, removed with all that is in it.
class TemporaryFolder {
 public:
  static std::expected<TemporaryFolder, std::string> create();

  TemporaryFolder(TemporaryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TemporaryFolder& operator=(TemporaryFolder&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TemporaryFolder();

  // Short enough for the path of a socket in it.
  const std::string& path() const { return path_; }

 private:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;  // empty: none
};

}  // namespace minos
