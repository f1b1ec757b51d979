#include "transport/address.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cerrno>

namespace minos {

std::expected<AddressList, std::string> resolve_listen(const std::string& host, int port,
                                                       int socket_type) {
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = socket_type;
  addrinfo* found = nullptr;
  const std::string service = std::to_string(port);
  const char* node = host.empty() || host == "*" ? nullptr : host.c_str();
  if (const int error = ::getaddrinfo(node, service.c_str(), &hints, &found); error != 0) {
    return std::unexpected(
        fmt::format("cannot resolve listen address '{}': {}", host, ::gai_strerror(error)));
  }
  return AddressList(found);
}

bool family_is_off(const addrinfo& at, int error) {
  return error == EAFNOSUPPORT || (at.ai_family == AF_INET6 && error == EADDRNOTAVAIL);
}

std::string name_of(const sockaddr_storage& address, const char* protocol) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &in.sin_addr, text, sizeof text);
    return fmt::format("{}:{}:{}", protocol, text, ntohs(in.sin_port));
  }
  if (address.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &in.sin6_addr, text, sizeof text);
    return fmt::format("{}6:[{}]:{}", protocol, text, ntohs(in.sin6_port));
  }
  if (address.ss_family == AF_UNIX) {
    return fmt::format("unix:{}", reinterpret_cast<const sockaddr_un&>(address).sun_path);
  }
  return "unknown";
}

std::string with_last_port(std::string name, std::uint16_t first_port, std::uint16_t ports) {
  if (ports > 1) name += fmt::format("-{}", first_port + ports - 1);
  return name;
}

}  // namespace minos
