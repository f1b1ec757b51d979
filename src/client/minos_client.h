#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/status.h"

// The installed interface: standard headers, and those of client/ that are installed with it.
namespace minos {

struct ClientOptions {
  // From a request to its end, whatever happens in between; large values have longer, by 1 s for
  // every 16 MiB. More than a day is a day.
  std::chrono::nanoseconds timeout = std::chrono::seconds(1);
  std::uint32_t requests_max = 1024;  // at a time; 1 to 65535
  // UDP: the server has one port, rather than one for each of its queues.
  bool single_port = false;
  // UDP: asked of the kernel, which gives at most net.core.rmem_max; large values arrive faster
  // with more.
  std::uint32_t receive_buffer_bytes = 4 * 1024 * 1024;
  std::uint64_t seed = 0;  // of the choice of queues and the like; 0: another each time
};

// A connection to one server, over the Minos datagram protocol or memcached's over TCP. One owner:
// its calls and callbacks run in one thread at a time. No call throws for what a server or a
// network does; `expiry` is memcached's: 0 never, up to 30 days from now in seconds, above that a
// Unix time.
//
// A write that ended without an answer may have been executed, and ClientError says so. Over UDP it
// is sent again within its timeout, and executed once at most.
class Client {
 public:
  template <typename T>
  using Result = std::expected<T, ClientError>;

  struct Value {
    std::string bytes;
    std::uint32_t flags = 0;
    std::uint64_t cas = 0;  // changes whenever the item does
  };
  enum class Op : std::uint8_t {
    kPing,
    kGet,
    kGetAndTouch,
    kSet,
    kAdd,
    kReplace,
    kCompareAndSet,
    kAppend,
    kPrepend,
    kRemove,
    kIncr,
    kDecr,
    kTouch,
    kStats,
    kFlushAll,
  };
  // For start(). What an op has no use for is ignored.
  struct Operation {
    Op op = Op::kGet;
    std::string key;
    std::string value;  // of kStats: the argument
    std::uint32_t flags = 0;
    std::uint32_t expiry = 0;  // of kFlushAll: the delay in seconds
    std::uint64_t number = 0;  // cas, delta
  };
  struct Reply {
    std::optional<Value> value;  // of kGet and kGetAndTouch; of kStats `STAT name value` lines
    std::uint64_t number = 0;    // the new cas, 0 over TCP; of kIncr and kDecr the new number
  };
  using Callback = std::function<void(Result<Reply>)>;
  using Stats = std::vector<std::pair<std::string, std::string>>;

  // `udp://HOST:PORT`, the port being that of the first queue; `tcp://` or `memcached://HOST:PORT`.
  // Without a port: 11300 over UDP, 11211 over TCP. Over UDP nothing is sent before the first
  // request.
  static Result<Client> open(std::string_view url, const ClientOptions& options = {});
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  ~Client();

  // Empty when the server has no such key.
  Result<std::optional<Value>> get(std::string_view key);
  Result<std::optional<Value>> get_and_touch(std::string_view key, std::uint32_t expiry);
  // One result for each key, in their order.
  std::vector<Result<std::optional<Value>>> get_many(std::span<const std::string> keys);

  // All return the new cas, which is 0 over TCP. Keys that should (not) be there give kNotFound
  // (kExists), an item that has changed since `cas` gives kExists.
  Result<std::uint64_t> set(std::string_view key, std::string_view value, std::uint32_t flags = 0,
                            std::uint32_t expiry = 0);
  Result<std::uint64_t> add(std::string_view key, std::string_view value, std::uint32_t flags = 0,
                            std::uint32_t expiry = 0);
  Result<std::uint64_t> replace(std::string_view key, std::string_view value,
                                std::uint32_t flags = 0, std::uint32_t expiry = 0);
  Result<std::uint64_t> compare_and_set(std::string_view key, std::string_view value,
                                        std::uint64_t cas, std::uint32_t flags = 0,
                                        std::uint32_t expiry = 0);
  Result<std::uint64_t> append(std::string_view key, std::string_view value);
  Result<std::uint64_t> prepend(std::string_view key, std::string_view value);

  // The new number, not below 0; empty when the server has no such key.
  Result<std::optional<std::uint64_t>> incr(std::string_view key, std::uint64_t delta = 1);
  Result<std::optional<std::uint64_t>> decr(std::string_view key, std::uint64_t delta = 1);
  // False when the server has no such key.
  Result<bool> remove(std::string_view key);
  Result<bool> touch(std::string_view key, std::uint32_t expiry);

  // Names and values in the server's order. `argument` is empty or a group such as "settings".
  Result<Stats> stats(std::string_view argument = {});
  Result<void> flush_all(std::uint32_t delay_s = 0);
  Result<void> ping();

  // Asynchronously. `callback` runs within a later call of poll(), wait_all() or of a synchronous
  // one, once for every request that was started. It may start others, but not wait for them. Not
  // ordered among each other over UDP. kTooMany: poll() first.
  Result<void> start(Operation operation, Callback callback);
  // Runs callbacks of what is complete; waits for up to `timeout` if nothing is. Returns how many.
  std::size_t poll(std::chrono::nanoseconds timeout);
  // Until nothing is on its way, which is soon: every request has its timeout.
  void wait_all();
  std::size_t outstanding() const;

 private:
  class Impl;
  explicit Client(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace minos
