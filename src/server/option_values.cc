#include "server/option_values.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace minos {
namespace {

constexpr std::uint64_t kCpuMax = CPU_SETSIZE - 1;

template <typename T>
bool read_all(std::string_view text, T& value, int base = 10) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  return error == std::errc() && stop == end;
}

bool is_ipv6(std::string_view text) {
  const std::string address(text.substr(0, text.find('%')));  // without the zone
  in6_addr unused;
  return inet_pton(AF_INET6, address.c_str(), &unused) == 1;
}

// Letters are left to the resolver; digits and dots alone must be an address.
bool is_name_or_ipv4(std::string_view text) {
  if (text.empty()) return false;
  const bool numeric = text.find_first_not_of("0123456789.") == std::string_view::npos;
  in_addr unused;
  if (numeric) return inet_pton(AF_INET, std::string(text).c_str(), &unused) == 1;
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
}

struct TransportName {
  std::string_view name;
  TransportKind kind;
};
constexpr TransportName kTransports[] = {
    {"tcp", TransportKind::kTcp},
    {"udp", TransportKind::kUdp},
    {"dpdk", TransportKind::kDpdk},
    {"xdp", TransportKind::kXdp},
};

std::uint64_t suffix_bytes(char c) {
  switch (c) {
    case 'k':
    case 'K':
      return kKiB;
    case 'm':
    case 'M':
      return kMiB;
    case 'g':
    case 'G':
      return kGiB;
    default:
      return 0;
  }
}

}  // namespace

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (std::size_t start = 0;;) {
    const std::size_t end = text.find(separator, start);
    parts.push_back(text.substr(start, end - start));
    if (end == std::string_view::npos) return parts;
    start = end + 1;
  }
}

Parsed<std::uint64_t> parse_whole(std::string_view text, std::uint64_t min, std::uint64_t max) {
  std::uint64_t value = 0;
  if (!read_all(text, value) || value < min || value > max) {
    return std::unexpected(fmt::format("must be a whole number from {} to {}", min, max));
  }
  return value;
}

Parsed<std::uint32_t> parse_octal(std::string_view text, std::uint32_t max) {
  std::uint32_t value = 0;
  if (!read_all(text, value, 8) || value > max) {
    return std::unexpected(fmt::format("must be an octal number from 0 to {:o}", max));
  }
  return value;
}

Parsed<double> parse_number(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::unexpected("must be a number");
  return value;
}

std::string size_text(std::uint64_t bytes) {
  if (bytes != 0 && bytes % kGiB == 0) return fmt::format("{}g", bytes / kGiB);
  if (bytes != 0 && bytes % kMiB == 0) return fmt::format("{}m", bytes / kMiB);
  if (bytes != 0 && bytes % kKiB == 0) return fmt::format("{}k", bytes / kKiB);
  return fmt::format("{}", bytes);
}

Parsed<std::uint64_t> parse_size(std::string_view text, std::uint64_t unit, std::uint64_t min,
                                 std::uint64_t max) {
  const std::uint64_t suffix = text.empty() ? 0 : suffix_bytes(text.back());
  const std::string_view digits = suffix == 0 ? text : text.substr(0, text.size() - 1);
  const std::uint64_t factor = suffix == 0 ? unit : suffix;
  std::uint64_t value = 0;
  const bool is_number = read_all(digits, value) && value <= max / factor;
  if (!is_number || value * factor < min) {
    return std::unexpected(
        fmt::format("must be a size from {} to {}: a whole number of {}, or one "
                    "with the suffix k, m or g",
                    size_text(min), size_text(max), unit == kMiB ? "megabytes" : "bytes"));
  }
  return value * factor;
}

Parsed<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text) {
  in_addr parsed;
  if (inet_pton(AF_INET, std::string(text).c_str(), &parsed) != 1) {
    return std::unexpected("must be an IPv4 address such as 10.0.0.1");
  }
  std::array<std::uint8_t, 4> out;
  std::memcpy(out.data(), &parsed.s_addr, out.size());
  return out;
}

Parsed<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text) {
  const std::string syntax = fmt::format(
      "must be a list of CPUs from 0 to {} such as 0,2,4-7, each at most once", kCpuMax);
  std::vector<std::uint32_t> cpus;
  for (const std::string_view part : split(text, ',')) {
    const std::size_t dash = part.find('-');
    const auto first = parse_whole(part.substr(0, dash), 0, kCpuMax);
    const auto last =
        dash == std::string_view::npos ? first : parse_whole(part.substr(dash + 1), 0, kCpuMax);
    if (!first || !last || *first > *last) return std::unexpected(syntax);
    for (std::uint64_t cpu = *first; cpu <= *last; ++cpu) {
      if (std::ranges::find(cpus, cpu) != cpus.end()) return std::unexpected(syntax);
      cpus.push_back(static_cast<std::uint32_t>(cpu));
    }
  }
  return cpus;
}

Parsed<TransportKind> parse_transport(std::string_view text) {
  std::string names;
  for (const TransportName& transport : kTransports) {
    if (transport.name == text) return transport.kind;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", transport.name);
  }
  return std::unexpected(fmt::format("must be a list of {}", names));
}

Parsed<ListenAddress> parse_listen(std::string_view text, std::uint16_t default_port) {
  const auto bad = std::unexpected<std::string>(
      "must be an address or name, with or without a port, such as 127.0.0.1, [::1]:11211, "
      "localhost:11211 or *");
  std::string_view host = text;
  std::string_view port_text;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return bad;
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    has_port = rest.starts_with(':');
    if (!is_ipv6(host) || (!rest.empty() && !has_port)) return bad;
    if (has_port) port_text = rest.substr(1);
  } else if (std::ranges::count(text, ':') == 1) {
    has_port = true;
    host = text.substr(0, text.find(':'));
    port_text = text.substr(text.find(':') + 1);
    if (host != "*" && !is_name_or_ipv4(host)) return bad;
  } else if (host != "*" && !is_ipv6(host) && !is_name_or_ipv4(host)) {
    return bad;
  }
  ListenAddress address{host == "*" ? std::string() : std::string(host), default_port};
  if (has_port) {
    const auto port = parse_whole(port_text, 0, 65535);
    if (!port) return std::unexpected(fmt::format("port \"{}\" {}", port_text, port.error()));
    address.port = static_cast<std::uint16_t>(*port);
  }
  return address;
}

}  // namespace minos
