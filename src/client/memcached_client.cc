#include "client/memcached_client.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/limits.h"
#include "client/memcached_session.h"

namespace minos {
namespace {

constexpr std::size_t kReceiveBytes = 64 * 1024;
constexpr std::size_t kReplyLineBytesMax = 64 * 1024;

void set_timeout(int fd, Nanos timeout) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(timeout).count();
  const timeval value{.tv_sec = us / 1'000'000, .tv_usec = us % 1'000'000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &value, sizeof(value));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof(value));
}

std::string io_error() {
  const bool timed_out = errno == EAGAIN || errno == EWOULDBLOCK;
  return timed_out ? "the server did not answer in time" : std::strerror(errno);
}

// The next word of `line`, which it is removed from; words are separated by one space.
std::string_view take_word(std::string_view& line) {
  const std::string_view word = line.substr(0, line.find(' '));
  line.remove_prefix(std::min(line.size(), word.size() + 1));
  return word;
}

template <typename T>
bool parse_number(std::string_view word, T& out) {
  const char* const end = word.data() + word.size();
  const auto parsed = std::from_chars(word.data(), end, out);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

std::unexpected<std::string> unexpected_reply(std::string_view line) {
  return std::unexpected(fmt::format("the server answered '{}'", line.substr(0, 200)));
}

}  // namespace

MemcachedClient::Result<MemcachedClient> MemcachedClient::open(const Address& address,
                                                               Nanos timeout) {
  const auto fd = connect_tcp(address, timeout);
  if (!fd) return std::unexpected(fd.error());
  return MemcachedClient(*fd, timeout);
}

MemcachedClient::MemcachedClient(int fd, Nanos timeout) : fd_(fd) {
  set_timeout(fd, timeout);
}

MemcachedClient::MemcachedClient(MemcachedClient&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      input_(std::move(other.input_)),
      consumed_(std::exchange(other.consumed_, 0)) {}

MemcachedClient& MemcachedClient::operator=(MemcachedClient&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(input_, other.input_);
  std::swap(consumed_, other.consumed_);
  return *this;
}

MemcachedClient::~MemcachedClient() {
  if (fd_ >= 0) ::close(fd_);
}

MemcachedClient::Result<std::optional<MemcachedClient::Value>> MemcachedClient::get(
    std::string_view key) {
  if (auto valid = check_key(key); !valid) return std::unexpected(valid.error());
  if (auto sent = send(fmt::format("get {}\r\n", key)); !sent) {
    return std::unexpected(sent.error());
  }
  auto head = line();
  if (!head) return std::unexpected(head.error());
  if (*head == "END") return std::optional<Value>();
  std::string_view rest = *head;
  Value value;
  std::uint64_t bytes = 0;
  if (take_word(rest) != "VALUE" || take_word(rest) != key ||
      !parse_number(take_word(rest), value.flags) || !parse_number(take_word(rest), bytes) ||
      bytes > kItemBytesMax) {
    return unexpected_reply(*head);
  }
  auto received = body(bytes);
  if (!received) return std::unexpected(received.error());
  value.bytes = std::move(*received);
  auto end = line();
  if (!end) return std::unexpected(end.error());
  if (*end != "END") return unexpected_reply(*end);
  return value;
}

MemcachedClient::Result<void> MemcachedClient::set(std::string_view key, std::string_view value,
                                                   std::uint32_t flags, std::int64_t ttl_s) {
  if (auto valid = check_key(key); !valid) return valid;
  const auto head = fmt::format("set {} {} {} {}\r\n", key, flags, ttl_s, value.size());
  if (auto sent = send(head, value); !sent) return sent;
  const auto reply = line();
  if (!reply) return std::unexpected(reply.error());
  if (*reply != "STORED") return unexpected_reply(*reply);
  return {};
}

MemcachedClient::Result<bool> MemcachedClient::remove(std::string_view key) {
  if (auto valid = check_key(key); !valid) return std::unexpected(valid.error());
  if (auto sent = send(fmt::format("delete {}\r\n", key)); !sent) {
    return std::unexpected(sent.error());
  }
  const auto reply = line();
  if (!reply) return std::unexpected(reply.error());
  if (*reply == "DELETED") return true;
  if (*reply == "NOT_FOUND") return false;
  return unexpected_reply(*reply);
}

MemcachedClient::Result<std::vector<std::pair<std::string, std::string>>> MemcachedClient::stats(
    std::string_view argument) {
  const auto space = argument.empty() ? "" : " ";
  if (auto sent = send(fmt::format("stats{}{}\r\n", space, argument)); !sent) {
    return std::unexpected(sent.error());
  }
  std::vector<std::pair<std::string, std::string>> out;
  for (;;) {
    const auto reply = line();
    if (!reply) return std::unexpected(reply.error());
    if (*reply == "END" || *reply == "RESET") return out;
    std::string_view rest = *reply;
    if (take_word(rest) != "STAT") return unexpected_reply(*reply);
    const std::string_view name = take_word(rest);
    out.emplace_back(name, rest);
  }
}

MemcachedClient::Result<void> MemcachedClient::send(std::string_view head,
                                                    std::optional<std::string_view> body) {
  const std::array<std::string_view, 3> parts = {head, body.value_or(""), body ? "\r\n" : ""};
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const bool last = i + 1 == parts.size() || !body;
    for (std::string_view part = parts[i]; !part.empty();) {
      const ssize_t n = ::send(fd_, part.data(), part.size(), MSG_NOSIGNAL | (last ? 0 : MSG_MORE));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return std::unexpected(io_error());
      part.remove_prefix(static_cast<std::size_t>(n));
    }
  }
  return {};
}

MemcachedClient::Result<void> MemcachedClient::receive_more() {
  input_.erase(0, std::exchange(consumed_, 0));
  const std::size_t held = input_.size();
  input_.resize(held + kReceiveBytes);
  ssize_t n = 0;
  do {
    n = ::recv(fd_, input_.data() + held, kReceiveBytes, 0);
  } while (n < 0 && errno == EINTR);
  input_.resize(held + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  if (n < 0) return std::unexpected(io_error());
  if (n == 0) return std::unexpected("the server closed the connection");
  return {};
}

MemcachedClient::Result<std::string> MemcachedClient::line() {
  for (;;) {
    const std::size_t end = input_.find('\n', consumed_);
    if (end != input_.npos) {
      std::string out = input_.substr(consumed_, end - consumed_);
      if (out.ends_with('\r')) out.pop_back();
      consumed_ = end + 1;
      return out;
    }
    if (input_.size() - consumed_ > kReplyLineBytesMax) {
      return std::unexpected("the server's reply is no memcached text");
    }
    if (auto more = receive_more(); !more) return std::unexpected(more.error());
  }
}

MemcachedClient::Result<std::string> MemcachedClient::body(std::uint64_t bytes) {
  while (input_.size() - consumed_ < bytes + 2) {
    if (auto more = receive_more(); !more) return std::unexpected(more.error());
  }
  std::string out = input_.substr(consumed_, bytes);
  if (input_.compare(consumed_ + bytes, 2, "\r\n") != 0) {
    return std::unexpected("the server's value is not as long as announced");
  }
  consumed_ += bytes + 2;
  return out;
}

}  // namespace minos
