#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "base/units.h"
#include "wire/datagram.h"
#include "wire/fragment_map.h"

namespace minos::testing {

struct ModelOptions {
  std::uint64_t seed = 1;
  std::uint32_t queues = 4;
  double busy = 0;  // of requests
  std::uint16_t fragment_bytes = 1432;
  std::uint32_t value_bytes_max = 64 * 1024 * 1024;
};

// A server as docs/PROTOCOL.md describes it, as simply as can be: one map, no clock, no expiry. It
// notes what tests want to know of how often something was executed. One owner.
class ModelServer {
 public:
  // `client` stands for address and port.
  using Emit = std::function<void(std::string_view datagram)>;

  explicit ModelServer(const ModelOptions& options) : options_(options), prng_(options.seed) {}

  void handle(std::uint32_t queue, std::uint64_t client, std::string_view bytes, const Emit& emit);

  struct Item {
    std::string value;
    std::uint32_t flags = 0;
    std::uint64_t cas = 0;
  };
  const Item* find(const std::string& key) const {
    const auto at = items_.find(key);
    return at == items_.end() ? nullptr : &at->second;
  }
  void put(const std::string& key, std::string value) {
    items_[key] = {std::move(value), 0, ++last_cas_};
  }
  // How often a store with this value was executed, by its first 32 bytes.
  std::uint64_t executions(std::string_view value) const {
    const auto at = executions_.find(std::string(value.substr(0, 32)));
    return at == executions_.end() ? 0 : at->second;
  }
  void change_secret() { ++secret_; }
  std::uint64_t requests() const { return requests_; }
  std::uint64_t malformed() const { return malformed_; }
  std::uint64_t missing_sent() const { return missing_sent_; }
  std::uint64_t wrong_queue() const { return wrong_queue_; }
  std::uint64_t stale() const { return stale_; }

 private:
  struct Upload {
    std::string value;
    FragmentMap map;
  };
  using ClientKey = std::tuple<std::uint64_t, std::uint32_t, std::uint32_t>;  // queue, session
  struct Client {
    std::uint32_t newest = 0;                      // number of a write
    std::map<std::uint32_t, std::string> replies;  // by number
    std::map<std::uint32_t, Upload> uploads;
  };
  struct Context {
    const Datagram& request;
    std::uint64_t client;
    const Emit& emit;
  };

  std::uint64_t token_of(std::uint64_t client) const;
  Datagram reply_to(const Context& context, DatagramStatus status) const;
  void answer(const Context& context, const Datagram& reply) const;
  void write(const Context& context, Client& client);
  std::optional<std::string> whole_value(const Context& context, Client& client);
  Datagram execute(const Context& context, std::string_view value);
  Datagram execute_store(const Context& context, std::string_view value);
  Datagram execute_arithmetic(const Context& context);
  void get(const Context& context);
  void send_range(const Context& context, Datagram reply, std::string_view value,
                  std::uint64_t from, std::uint64_t to, std::uint16_t fragment) const;
  void multi_get(const Context& context);
  void stats(const Context& context);

  ModelOptions options_;
  Prng prng_;
  std::uint64_t secret_ = 1;
  std::uint64_t last_cas_ = 0;
  std::uint64_t snapshot_ = 0;
  std::uint64_t requests_ = 0;
  std::uint64_t malformed_ = 0;
  std::uint64_t missing_sent_ = 0;
  std::uint64_t wrong_queue_ = 0;
  std::uint64_t stale_ = 0;
  std::unordered_map<std::string, Item> items_;
  std::unordered_map<std::string, std::uint64_t> executions_;
  std::map<ClientKey, Client> clients_;
};

}  // namespace minos::testing
