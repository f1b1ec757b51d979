#include "client/minos_client.h"

#include <algorithm>
#include <random>
#include <utility>

#include "client/address.h"
#include "client/client_impl.h"
#include "client/datagram_backend.h"
#include "client/memcached_backend.h"
#include "client/udp_channel.h"
#include "wire/datagram.h"

namespace minos {
namespace {

// Of minosd.
constexpr std::uint16_t kTcpPort = 11211;
constexpr std::uint16_t kUdpPort = 11300;
// Longer ones are taken for this, so that no sum of a time and a timeout overflows.
constexpr std::chrono::nanoseconds kTimeoutMax = std::chrono::hours(24);

std::unexpected<ClientError> failed(ClientStatus status, std::string message) {
  return std::unexpected(ClientError{.status = status, .message = std::move(message)});
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

std::expected<std::unique_ptr<Backend>, ClientError> open_udp(const Address& address,
                                                              const ClientOptions& options) {
  auto channel = UdpChannel::open(address, {.single_port = options.single_port,
                                            .receive_buffer_bytes = options.receive_buffer_bytes});
  if (!channel) return failed(ClientStatus::kConnection, channel.error());
  SessionOptions session;
  session.seed = options.seed == 0 ? random_seed() : options.seed;
  session.requests_max = options.requests_max;
  session.timeout = options.timeout;
  return std::make_unique<DatagramBackend>(std::move(*channel), session);
}

std::expected<std::unique_ptr<Backend>, ClientError> open_backend(std::string_view url,
                                                                  ClientOptions options) {
  const std::size_t end = url.find("://");
  const std::string_view scheme = url.substr(0, end == url.npos ? 0 : end);
  const bool tcp = scheme == "tcp" || scheme == "memcached";
  if (!tcp && scheme != "udp") {
    return failed(ClientStatus::kInvalid,
                  "'" + std::string(url) + "' is not udp://HOST:PORT or tcp://HOST:PORT");
  }
  if (options.requests_max < 1 || options.requests_max > 65535) {
    return failed(ClientStatus::kInvalid, "requests_max must be 1 to 65535");
  }
  if (options.timeout.count() <= 0) {
    return failed(ClientStatus::kInvalid, "the timeout must be above 0");
  }
  options.timeout = std::min(options.timeout, kTimeoutMax);
  const auto address = parse_address(url.substr(end + 3), tcp ? kTcpPort : kUdpPort);
  if (!address) return failed(ClientStatus::kInvalid, address.error());
  if (!tcp) return open_udp(*address, options);
  return MemcachedBackend::open(*address, options.requests_max, options.timeout);
}

SessionRequest keyed(DatagramOp op, std::string_view key) {
  SessionRequest out;
  out.op = op;
  out.key = key;
  return out;
}

SessionRequest store(DatagramOp op, std::string_view key, std::string_view value,
                     std::uint32_t flags = 0, std::uint32_t expiry = 0) {
  SessionRequest out = keyed(op, key);
  out.value = value;
  out.flags = flags;
  out.expiry = expiry;
  return out;
}

Client::Result<std::uint64_t> number_of(Client::Result<Client::Reply> reply) {
  if (!reply) return std::unexpected(std::move(reply.error()));
  return reply->number;
}

Client::Result<std::optional<Client::Value>> value_of(Client::Result<Client::Reply> reply) {
  if (!reply) return std::unexpected(std::move(reply.error()));
  return std::move(reply->value);
}

Client::Result<bool> found(Client::Result<Client::Reply> reply) {
  if (reply) return true;
  if (reply.error().status == ClientStatus::kNotFound) return false;
  return std::unexpected(std::move(reply.error()));
}

Client::Result<std::optional<std::uint64_t>> number_if_found(Client::Result<Client::Reply> reply) {
  if (reply) return reply->number;
  if (reply.error().status == ClientStatus::kNotFound) return std::nullopt;
  return std::unexpected(std::move(reply.error()));
}

Client::Result<void> nothing(Client::Result<Client::Reply> reply) {
  if (reply) return {};
  return std::unexpected(std::move(reply.error()));
}

}  // namespace

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Client::Client(Client&& other) noexcept = default;
Client& Client::operator=(Client&& other) noexcept = default;
Client::~Client() = default;

Client::Result<Client> Client::open(std::string_view url, const ClientOptions& options) {
  auto backend = open_backend(url, options);
  if (!backend) return std::unexpected(std::move(backend.error()));
  return Client(std::make_unique<Impl>(std::move(*backend)));
}

Client::Result<std::optional<Client::Value>> Client::get(std::string_view key) {
  return value_of(impl_->call(keyed(DatagramOp::kGet, key)));
}

Client::Result<std::optional<Client::Value>> Client::get_and_touch(std::string_view key,
                                                                   std::uint32_t expiry) {
  SessionRequest request = keyed(DatagramOp::kGat, key);
  request.expiry = expiry;
  return value_of(impl_->call(request));
}

std::vector<Client::Result<std::optional<Client::Value>>> Client::get_many(
    std::span<const std::string> keys) {
  return impl_->get_many(keys);
}

Client::Result<std::uint64_t> Client::set(std::string_view key, std::string_view value,
                                          std::uint32_t flags, std::uint32_t expiry) {
  return number_of(impl_->call(store(DatagramOp::kSet, key, value, flags, expiry)));
}

Client::Result<std::uint64_t> Client::add(std::string_view key, std::string_view value,
                                          std::uint32_t flags, std::uint32_t expiry) {
  return number_of(impl_->call(store(DatagramOp::kAdd, key, value, flags, expiry)));
}

Client::Result<std::uint64_t> Client::replace(std::string_view key, std::string_view value,
                                              std::uint32_t flags, std::uint32_t expiry) {
  return number_of(impl_->call(store(DatagramOp::kReplace, key, value, flags, expiry)));
}

Client::Result<std::uint64_t> Client::compare_and_set(std::string_view key, std::string_view value,
                                                      std::uint64_t cas, std::uint32_t flags,
                                                      std::uint32_t expiry) {
  SessionRequest request = store(DatagramOp::kCas, key, value, flags, expiry);
  request.number = cas;
  return number_of(impl_->call(request));
}

Client::Result<std::uint64_t> Client::append(std::string_view key, std::string_view value) {
  return number_of(impl_->call(store(DatagramOp::kAppend, key, value)));
}

Client::Result<std::uint64_t> Client::prepend(std::string_view key, std::string_view value) {
  return number_of(impl_->call(store(DatagramOp::kPrepend, key, value)));
}

Client::Result<std::optional<std::uint64_t>> Client::incr(std::string_view key,
                                                          std::uint64_t delta) {
  SessionRequest request = keyed(DatagramOp::kIncr, key);
  request.number = delta;
  return number_if_found(impl_->call(request));
}

Client::Result<std::optional<std::uint64_t>> Client::decr(std::string_view key,
                                                          std::uint64_t delta) {
  SessionRequest request = keyed(DatagramOp::kDecr, key);
  request.number = delta;
  return number_if_found(impl_->call(request));
}

Client::Result<bool> Client::remove(std::string_view key) {
  return found(impl_->call(keyed(DatagramOp::kDelete, key)));
}

Client::Result<bool> Client::touch(std::string_view key, std::uint32_t expiry) {
  SessionRequest request = keyed(DatagramOp::kTouch, key);
  request.expiry = expiry;
  return found(impl_->call(request));
}

Client::Result<Client::Stats> Client::stats(std::string_view argument) {
  SessionRequest request;
  request.op = DatagramOp::kStats;
  request.value = argument;
  const auto reply = impl_->call(request);
  if (!reply) return std::unexpected(reply.error());
  Stats out;
  std::string_view text = reply->value->bytes;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.starts_with("STAT ")) continue;
    line.remove_prefix(5);
    const std::size_t space = std::min(line.find(' '), line.size());
    out.emplace_back(line.substr(0, space), line.substr(std::min(space + 1, line.size())));
  }
  return out;
}

Client::Result<void> Client::flush_all(std::uint32_t delay_s) {
  SessionRequest request;
  request.op = DatagramOp::kFlushAll;
  request.expiry = delay_s;
  return nothing(impl_->call(request));
}

Client::Result<void> Client::ping() {
  return nothing(impl_->call(SessionRequest()));
}

Client::Result<void> Client::start(Operation operation, Callback callback) {
  return impl_->start(std::move(operation), std::move(callback));
}

std::size_t Client::poll(std::chrono::nanoseconds timeout) {
  return impl_->poll(timeout);
}

void Client::wait_all() {
  impl_->wait_all();
}

std::size_t Client::outstanding() const {
  return impl_->outstanding();
}

}  // namespace minos
