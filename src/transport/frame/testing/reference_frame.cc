#include "transport/frame/testing/reference_frame.h"

#include <algorithm>

namespace minos {
namespace {

std::uint32_t at(std::string_view bytes, std::size_t i) {
  return static_cast<std::uint8_t>(bytes[i]);
}

std::uint32_t two(std::string_view bytes, std::size_t i) {
  return at(bytes, i) * 256 + at(bytes, i + 1);
}

std::string be16(std::size_t value) {
  return {static_cast<char>(value / 256 % 256), static_cast<char>(value % 256)};
}

template <typename Bytes>
std::string text(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

void set_checksum(std::string& bytes, std::size_t where, std::uint32_t sum) {
  const std::string checksum = be16(0xffff - sum);
  bytes[where] = checksum[0];
  bytes[where + 1] = checksum[1];
}

std::string pseudo_header(std::string_view source, std::string_view destination,
                          std::size_t udp_bytes) {
  return std::string(source) + std::string(destination) + std::string(1, '\0') + "\x11" +
         be16(udp_bytes);
}

}  // namespace

std::uint32_t reference_sum(std::string_view bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    sum += at(bytes, i) * (i % 2 == 0 ? 256 : 1);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

std::string build(const FrameSpec& spec) {
  std::string body = spec.payload;
  if (spec.protocol == 17) {
    std::string udp = be16(spec.source_port) + be16(spec.destination_port) + be16(8 + body.size()) +
                      be16(0) + body;
    if (spec.udp_checksum) {
      const std::uint32_t sum =
          reference_sum(pseudo_header(text(spec.source), text(spec.destination), udp.size()) + udp);
      // A sum of 0xffff would make a checksum of 0, which says none: it is sent as 0xffff.
      set_checksum(udp, 6, sum == 0xffff ? 0 : sum);
    }
    body = udp;
  }
  const std::size_t header_bytes = 20 + spec.ip_options.size();
  std::string ip = std::string(1, static_cast<char>(0x40 + header_bytes / 4)) + '\0' +
                   be16(header_bytes + body.size()) + be16(0x1234) + be16(spec.fragment) + '\x40' +
                   static_cast<char>(spec.protocol) + be16(0) + text(spec.source) +
                   text(spec.destination) + spec.ip_options;
  set_checksum(ip, 10, reference_sum(ip));
  return text(spec.to) + text(spec.from) + be16(spec.ether_type) + ip + body + spec.padding;
}

std::optional<ReferenceView> reference_parse(std::string_view frame, const FrameSelf& self) {
  if (frame.size() < 14 + 20 + 8) return std::nullopt;
  if (frame.substr(0, 6) != text(self.mac) || two(frame, 12) != 0x0800) return std::nullopt;
  if ((at(frame, 6) & 1) == 1) return std::nullopt;
  std::string_view ip = frame.substr(14);
  if (at(ip, 0) / 16 != 4) return std::nullopt;
  const std::size_t header_bytes = at(ip, 0) % 16 * 4;
  const std::size_t total = two(ip, 2);
  if (header_bytes < 20 || total > ip.size() || total > 1500) return std::nullopt;
  if (total < header_bytes + 8) return std::nullopt;
  ip = ip.substr(0, total);
  if (reference_sum(ip.substr(0, header_bytes)) != 0xffff) return std::nullopt;
  if (two(ip, 6) % 0x4000 != 0 || at(ip, 9) != 17) return std::nullopt;
  const std::string_view source = ip.substr(12, 4);
  if (ip.substr(16, 4) != text(self.address) || source == text(self.address)) return std::nullopt;
  if (at(source, 0) == 0 || at(source, 0) == 127 || at(source, 0) >= 224) return std::nullopt;

  std::string_view udp = ip.substr(header_bytes);
  if (two(udp, 4) < 8 || two(udp, 4) > udp.size()) return std::nullopt;
  udp = udp.substr(0, two(udp, 4));
  const std::uint32_t port = two(udp, 2);
  if (port < self.base_port || port >= static_cast<std::uint32_t>(self.base_port) + self.ports) {
    return std::nullopt;
  }
  if (two(udp, 0) == 0) return std::nullopt;
  if (two(udp, 6) != 0 && reference_sum(pseudo_header(source, ip.substr(16, 4), udp.size()) +
                                        std::string(udp)) != 0xffff) {
    return std::nullopt;
  }
  ReferenceView view;
  view.peer.address[10] = view.peer.address[11] = 0xff;
  std::ranges::copy(source, view.peer.address.begin() + 12);
  std::ranges::copy(frame.substr(6, 6), view.peer.link.begin());
  view.peer.port = static_cast<std::uint16_t>(two(udp, 0));
  view.peer.queue = QueueId{static_cast<std::uint16_t>(port - self.base_port)};
  view.payload = udp.substr(8);
  return view;
}

}  // namespace minos
