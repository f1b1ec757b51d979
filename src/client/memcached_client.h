#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/units.h"
#include "client/address.h"

namespace minos {

// One blocking connection to a memcached-compatible server, over the text protocol. For tools and
// tests, one request at a time; one owner. Every call that fails for the connection's sake (closed,
// timed out, a reply that makes no sense) leaves it unusable: open another.
class MemcachedClient {
 public:
  template <typename T>
  using Result = std::expected<T, std::string>;

  struct Value {
    std::string bytes;
    std::uint32_t flags = 0;
  };

  // `timeout` bounds the connection attempt and each later wait for the server.
  static Result<MemcachedClient> open(const Address& address, Nanos timeout);

  // Takes over a connected socket.
  MemcachedClient(int fd, Nanos timeout);
  MemcachedClient(MemcachedClient&& other) noexcept;
  MemcachedClient& operator=(MemcachedClient&& other) noexcept;
  ~MemcachedClient();

  // Empty when the server has no such key.
  Result<std::optional<Value>> get(std::string_view key);
  // `ttl_s` as memcached takes it: 0 never, up to 30 days relative, above absolute Unix seconds.
  Result<void> set(std::string_view key, std::string_view value, std::uint32_t flags = 0,
                   std::int64_t ttl_s = 0);
  // False when the server has no such key.
  Result<bool> remove(std::string_view key);
  // Names and values in the server's order. `argument` is empty or a group such as "slabs".
  Result<std::vector<std::pair<std::string, std::string>>> stats(std::string_view argument = {});

 private:
  // A body is followed by a line end.
  Result<void> send(std::string_view head, std::optional<std::string_view> body = {});
  Result<void> receive_more();
  // The next line without its line end.
  Result<std::string> line();
  Result<std::string> body(std::uint64_t bytes);

  int fd_ = -1;
  std::string input_;
  std::size_t consumed_ = 0;
};

}  // namespace minos
