#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "server/options.h"

// Parsers of single option values. An error is what must follow the option's name and value, such
// as "must be a whole number from 1 to 128".
namespace minos {

template <typename T>
using Parsed = std::expected<T, std::string>;

std::vector<std::string_view> split(std::string_view text, char separator);

Parsed<std::uint64_t> parse_whole(std::string_view text, std::uint64_t min, std::uint64_t max);
Parsed<std::uint32_t> parse_octal(std::string_view text, std::uint32_t max);
Parsed<double> parse_number(std::string_view text);

// "512", "64k", "4g": a whole number of `unit` bytes, or of what its suffix says.
Parsed<std::uint64_t> parse_size(std::string_view text, std::uint64_t unit, std::uint64_t min,
                                 std::uint64_t max);

// "0,2,4-7" in the order written.
Parsed<std::vector<std::uint32_t>> parse_cpu_list(std::string_view text);
// Dotted, as its four bytes.
Parsed<std::array<std::uint8_t, 4>> parse_ipv4(std::string_view text);

// One of HOST, HOST:PORT, IPV6, [IPV6], [IPV6]:PORT, *.
Parsed<ListenAddress> parse_listen(std::string_view text, std::uint16_t default_port);

// "tcp", "udp".
Parsed<TransportKind> parse_transport(std::string_view text);

// 1536 KiB as "1536k", 64 MiB as "64m".
std::string size_text(std::uint64_t bytes);

}  // namespace minos
