#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/backend.h"
#include "client/minos_client.h"

namespace minos {

// A Client over some backend: requests with callbacks, and calls that wait.
class Client::Impl {
 public:
  explicit Impl(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  // Waits for its end; other callbacks may run meanwhile. The views need last only so long.
  Result<Reply> call(const SessionRequest& request);
  std::vector<Result<std::optional<Value>>> get_many(std::span<const std::string> keys);

  Result<void> start(Operation operation, Callback callback);
  std::size_t poll(std::chrono::nanoseconds timeout);
  void wait_all();
  std::size_t outstanding() const { return backend_->outstanding(); }

 private:
  // Takes what `completion` says, whose views do not outlast the call.
  using OnCompletion = std::function<void(Completion&)>;
  struct Pending {
    Operation operation;
    Callback callback;
    OnCompletion on_completion;  // of our own, in place of a callback
  };
  using Values = std::vector<Result<std::optional<Value>>>;
  // A get_many() in progress.
  struct Batch {
    Values out;
    std::size_t left = 0;            // keys without their result
    std::vector<std::size_t> large;  // to be got alone
  };

  Pending& pending(std::uint32_t& index);
  void release(std::uint32_t index);
  Result<void> begin(const SessionRequest& request, std::uint32_t index);
  // Waits for room as long as there is something to wait for.
  Result<void> begin_when_room(const SessionRequest& request, const OnCompletion& done);
  void dispatch(Completion& completion);
  void get_alone(std::string_view key, std::size_t index, Batch& batch);
  void get_group(std::span<const std::string> keys, std::size_t first, std::string& packed,
                 Batch& batch);

  std::unique_ptr<Backend> backend_;
  std::vector<std::unique_ptr<Pending>> pending_;
  std::vector<std::uint32_t> free_;
  std::vector<Completion> done_;
  bool in_callback_ = false;
};

}  // namespace minos
