#include "transport/dpdk/eal_arguments.h"

#include <sys/un.h>

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <string_view>

namespace minos {
namespace {

// Without huge pages all memory is set aside at the start, though touched only when used.
constexpr std::string_view kMemoryMib = "512";

constexpr std::array<std::string_view, 17> kWithValue = {"-a",
                                                         "-b",
                                                         "-d",
                                                         "-m",
                                                         "-n",
                                                         "-r",
                                                         "--allow",
                                                         "--block",
                                                         "--vdev",
                                                         "--huge-dir",
                                                         "--iova-mode",
                                                         "--log-level",
                                                         "--socket-mem",
                                                         "--vfio-intr",
                                                         "--file-prefix",
                                                         "--socket-limit",
                                                         "--vfio-vf-token"};
constexpr std::array<std::string_view, 11> kAlone = {
    "--no-pci",           "--no-huge", "--in-memory", "--no-shconf",    "--legacy-mem",
    "--huge-unlink",      "--no-hpet", "--telemetry", "--no-telemetry", "--single-file-segments",
    "--match-allocations"};
constexpr std::array<std::string_view, 9> kThreads = {"-c",
                                                      "-l",
                                                      "-s",
                                                      "-S",
                                                      "--lcores",
                                                      "--main-lcore",
                                                      "--master-lcore",
                                                      "--proc-type",
                                                      "--create-uio-dev"};

template <typename Names>
bool is_among(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// The option without its value, and whether the value is in the next argument.
struct Option {
  std::string name;
  bool value_follows = false;
};

std::expected<Option, std::string> parse_option(const std::string& argument) {
  if (argument.size() < 2 || argument[0] != '-') {
    return std::unexpected("DPDK argument \"" + argument + "\": an option starts with -");
  }
  const bool is_long = argument[1] == '-';
  const std::size_t end = is_long ? std::min(argument.find('='), argument.size()) : 2;
  const std::string name = argument.substr(0, end);
  const bool has_value = end < argument.size();
  if (is_among(kThreads, name)) {
    return std::unexpected("DPDK argument " + name +
                           ": threads and processes are the server's own");
  }
  if (is_among(kAlone, name)) {
    if (has_value) return std::unexpected("DPDK argument " + name + " takes no value");
    return Option{name, false};
  }
  if (!is_among(kWithValue, name)) {
    return std::unexpected("DPDK argument \"" + argument + "\" is not known");
  }
  return Option{name, !has_value};
}

std::expected<std::set<std::string>, std::string> parse_options(
    const std::vector<std::string>& arguments) {
  std::set<std::string> given;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i].find('\0') != std::string::npos) {
      return std::unexpected("DPDK arguments must not hold zero bytes");
    }
    const auto option = parse_option(arguments[i]);
    if (!option) return std::unexpected(option.error());
    given.insert(option->name);
    if (!option->value_follows) continue;
    ++i;
    if (i == arguments.size() || arguments[i].empty()) {
      return std::unexpected("DPDK argument " + option->name + " needs a value");
    }
  }
  return given;
}

// One EAL thread, the calling one, which may go on running wherever it may run now.
std::string lcores(const std::vector<unsigned>& cpus) {
  std::string list;
  for (const unsigned cpu : cpus) list += (list.empty() ? "" : ",") + std::to_string(cpu);
  return "--lcores=0@(" + list + ")";
}

std::expected<void, std::string> check_path(const std::string& path) {
  if (path.empty()) return std::unexpected("the path of a virtio socket must not be empty");
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return std::unexpected("the path of a virtio socket is too long: " + path);
  }
  if (path.find_first_of(",[]\"") != std::string::npos) {
    return std::unexpected("the path of a virtio socket must not hold , [ ] or \": " + path);
  }
  return {};
}

}  // namespace

std::expected<std::vector<std::string>, std::string> eal_arguments(const EalOptions& options) {
  const auto given = parse_options(options.arguments);
  if (!given) return std::unexpected(given.error());
  const auto any = [&](std::initializer_list<std::string> names) {
    return std::ranges::any_of(names, [&](const std::string& n) { return given->contains(n); });
  };

  std::vector<std::string> all = {"minos", lcores(options.cpus)};
  if (!any({"--telemetry", "--no-telemetry"})) all.emplace_back("--no-telemetry");
  if (!any({"--log-level"})) all.emplace_back("--log-level=error");
  if (!any({"-a", "--allow", "-b", "--block", "--no-pci"})) all.emplace_back("--no-pci");
  const bool huge = any({"--socket-mem", "--socket-limit", "--huge-dir", "--huge-unlink"});
  bool no_huge = any({"--no-huge"});
  if (!no_huge && !huge && !options.huge_pages_free) {
    all.emplace_back("--no-huge");
    no_huge = true;
  }
  if (no_huge && !any({"-m"})) {
    all.emplace_back("-m");
    all.emplace_back(kMemoryMib);
  }
  // Nothing shared through files, under the name that goes with the kind of memory.
  if (!any({"--in-memory", "--no-shconf", "--file-prefix", "--huge-dir"})) {
    all.emplace_back(no_huge ? "--no-shconf" : "--in-memory");
  }
  // A vhost device takes eight regions of a client's memory, and a huge page must not be one each.
  if (!no_huge && !any({"--single-file-segments", "--legacy-mem"})) {
    all.emplace_back("--single-file-segments");
  }
  all.insert(all.end(), options.arguments.begin(), options.arguments.end());
  return all;
}

std::vector<std::string> split_arguments(const std::string& text) {
  std::vector<std::string> arguments;
  std::istringstream words(text);
  for (std::string word; words >> word;) arguments.push_back(word);
  return arguments;
}

std::expected<std::string, std::string> vhost_device(const std::string& path, unsigned queues) {
  if (const auto checked = check_path(path); !checked) return std::unexpected(checked.error());
  return "net_vhost0,iface=" + path + ",queues=" + std::to_string(queues);
}

std::expected<std::string, std::string> virtio_user_device(const std::string& path, unsigned queues,
                                                           const Ipv4Address& address) {
  if (const auto checked = check_path(path); !checked) return std::unexpected(checked.error());
  std::string mac;
  for (const unsigned byte : local_mac(address)) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    mac += mac.empty() ? "" : ":";
    mac += {kDigits[byte / 16], kDigits[byte % 16]};
  }
  return "net_virtio_user0,path=" + path + ",queues=" + std::to_string(queues) +
         ",queue_size=1024,mac=" + mac;
}

}  // namespace minos
