#pragma once

#include <netdb.h>
#include <sys/socket.h>

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace minos {

struct FreeAddresses {
  void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, FreeAddresses>;

// The addresses of this machine that `host` stands for, to listen on with sockets of `socket_type`;
// "" or "*" is every address. Errors are sentences that name the host.
std::expected<AddressList, std::string> resolve_listen(const std::string& host, int port,
                                                       int socket_type);

// Did bind() or socket() fail because the machine has no such addresses? IPv6 that was switched off
// while running still has sockets, but no addresses.
bool family_is_off(const addrinfo& at, int error);

// "tcp:1.2.3.4:5", "tcp6:[::1]:5" for a `protocol` of tcp, and "unix:/path": memcached's way to
// write an address in `stats conns`.
std::string name_of(const sockaddr_storage& address, const char* protocol);

// `name`, which ends in the first of so many consecutive ports, with the last one: "…:11300-11303".
std::string with_last_port(std::string name, std::uint16_t first_port, std::uint16_t ports);

}  // namespace minos
