#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/units.h"

namespace minos {

// Where a TCP server listens.
struct Address {
  std::string host;  // a name, an IPv4 or an IPv6 address, without brackets
  std::uint16_t port = 0;

  std::string text() const;
};

// HOST:PORT, HOST, [IPV6]:PORT or [IPV6]; the error says what is wrong with the text.
std::expected<Address, std::string> parse_address(std::string_view text,
                                                  std::uint16_t default_port);

// A connected TCP socket with Nagle's delay off, which the caller owns and closes. Tries every
// address that the name resolves to, each for at most `timeout`; the error names the address and
// the cause.
std::expected<int, std::string> connect_tcp(const Address& address, Nanos timeout);

}  // namespace minos
