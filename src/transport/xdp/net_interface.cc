#include "transport/xdp/net_interface.h"

#include <fmt/format.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "transport/fd.h"

namespace minos {

namespace {

struct FreeInterfaceAddresses {
  void operator()(ifaddrs* list) const { ::freeifaddrs(list); }
};

// `wanted`, or the first, if the interface has it.
std::optional<Ipv4Address> address_of(const std::string& name,
                                      const std::optional<Ipv4Address>& wanted) {
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return std::nullopt;
  const std::unique_ptr<ifaddrs, FreeInterfaceAddresses> list(first);
  for (const ifaddrs* at = first; at != nullptr; at = at->ifa_next) {
    if (at->ifa_addr == nullptr || at->ifa_addr->sa_family != AF_INET || name != at->ifa_name) {
      continue;
    }
    sockaddr_in full;
    std::memcpy(&full, at->ifa_addr, sizeof full);
    Ipv4Address found;
    std::memcpy(found.data(), &full.sin_addr, found.size());
    if (!wanted || *wanted == found) return found;
  }
  return std::nullopt;
}

// One queue of either kind where a driver does not tell.
void count_queues(int socket, ifreq& request, NetInterface& out) {
  ethtool_channels channels{};
  channels.cmd = ETHTOOL_GCHANNELS;
  request.ifr_data = reinterpret_cast<char*>(&channels);
  out.rx_queues = out.tx_queues = 1;
  if (::ioctl(socket, SIOCETHTOOL, &request) != 0) return;
  out.rx_queues = channels.rx_count + channels.combined_count;
  out.tx_queues = channels.tx_count + channels.combined_count;
}

}  // namespace

std::expected<NetInterface, std::string> find_interface(const std::string& name,
                                                        const std::optional<Ipv4Address>& address) {
  NetInterface out;
  out.index = static_cast<int>(::if_nametoindex(name.c_str()));
  ifreq request{};
  if (out.index == 0 || name.size() >= sizeof request.ifr_name) {
    return std::unexpected("there is no such network interface");
  }
  name.copy(request.ifr_name, sizeof request.ifr_name - 1);
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto ask = [&](unsigned long what) { return ::ioctl(socket.get(), what, &request) == 0; };
  if (!socket || !ask(SIOCGIFHWADDR)) {
    return std::unexpected(fmt::format("cannot ask for its address: {}", std::strerror(errno)));
  }
  if (request.ifr_hwaddr.sa_family != ARPHRD_ETHER) {
    return std::unexpected("it is not an Ethernet interface");
  }
  std::memcpy(out.mac.data(), request.ifr_hwaddr.sa_data, out.mac.size());
  if (!ask(SIOCGIFFLAGS) || (request.ifr_flags & IFF_UP) == 0) {
    return std::unexpected("the interface is down");
  }
  if (!ask(SIOCGIFMTU) || request.ifr_mtu < static_cast<int>(kMtuBytes)) {
    return std::unexpected(
        fmt::format("its MTU is {}: at least {} is needed", request.ifr_mtu, kMtuBytes));
  }
  const auto found = address_of(name, address);
  if (!found && !address) return std::unexpected("the interface has no IPv4 address");
  if (!found) {
    const Ipv4Address& missing = *address;
    return std::unexpected(fmt::format("{}.{}.{}.{} is not an address of the interface", missing[0],
                                       missing[1], missing[2], missing[3]));
  }
  out.address = *found;
  count_queues(socket.get(), request, out);
  return out;
}

}  // namespace minos
