#pragma once

#include <expected>
#include <string>
#include <vector>

#include "transport/fd.h"

struct addrinfo;

namespace minos {

// Errors are sentences that name the address.
//
// Listens on every address that `host` stands for. Port 0 lets the kernel choose.
std::expected<std::vector<Fd>, std::string> listen_tcp(const std::string& host, int port,
                                                       int backlog);
// The same for a list of addresses, called `name` in errors. Addresses of a kind that this machine
// lacks, such as IPv6 ones where it is off, are passed over as long as another one listens.
std::expected<std::vector<Fd>, std::string> listen_each(const addrinfo* addresses,
                                                        const std::string& name, int backlog);
// Listens on a UNIX socket, replacing a stale one; `mode` is its file mode. Never blocks.
std::expected<Fd, std::string> listen_unix(const std::string& path, unsigned mode, int backlog);

// memcached's way to write an address in `stats conns`: tcp:1.2.3.4:5, tcp6:[::1]:5, unix:/path.
std::string peer_name(int fd);
std::string local_name(int fd);

// Accepts one connection, non-blocking, without Nagle's delay; an empty Fd when none waits.
// Errors: what to say of a failure that lasts, such as descriptors or memory running out; the
// listener may stay readable. Failures of single peers are passed over.
std::expected<Fd, std::string> accept_stream(int listener);

}  // namespace minos
