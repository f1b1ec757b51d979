#pragma once

#include <sys/types.h>

#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace minos {

// A `minos load` of its own, which ends with this object. A process, since DPDK is started once in
// each. One thread.
class LoadProcess {
 public:
  // `program` is a path.
  static std::expected<std::unique_ptr<LoadProcess>, std::string> start(
      const std::string& program, const std::vector<std::string>& arguments);

  LoadProcess(const LoadProcess&) = delete;
  LoadProcess& operator=(const LoadProcess&) = delete;
  ~LoadProcess();

  // Once it has ended: what it said of errors, or how it ended. Empty while it runs.
  std::string how_it_ended();

 private:
  explicit LoadProcess(int output) : output_(output) {}

  int output_;  // a file in memory, for its errors
  pid_t pid_ = -1;
  bool ended_ = false;
  int status_ = 0;
};

}  // namespace minos
