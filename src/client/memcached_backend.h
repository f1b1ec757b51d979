#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/address.h"
#include "client/backend.h"
#include "client/memcached_session.h"

namespace minos {

// The text protocol of memcached over one TCP connection, requests pipelined. A connection that
// fails takes its requests with it; the next request opens another.
class MemcachedBackend final : public Backend {
 public:
  static std::expected<std::unique_ptr<MemcachedBackend>, ClientError> open(
      const Address& server, std::uint32_t requests_max, Nanos timeout);
  ~MemcachedBackend() override;
  MemcachedBackend(const MemcachedBackend&) = delete;
  MemcachedBackend& operator=(const MemcachedBackend&) = delete;

  std::expected<void, ClientError> start(const SessionRequest& request) override;
  void poll(Nanos timeout, std::vector<Completion>& done) override;
  std::uint32_t outstanding() const override { return session_.outstanding(); }
  bool has_multi_get() const override { return false; }

 private:
  MemcachedBackend(Address server, std::uint32_t requests_max, Nanos timeout)
      : server_(std::move(server)), timeout_(timeout), session_(requests_max, timeout) {}
  std::expected<void, ClientError> connect();
  // False when the connection is gone; what waited for it has failed by then.
  bool send();
  bool receive();
  bool hang_up(ClientStatus status, std::string_view why);

  Address server_;
  Nanos timeout_;
  int fd_ = -1;
  MemcachedSession session_;
  std::array<char, 64 * 1024> input_;
};

}  // namespace minos
