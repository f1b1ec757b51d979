#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace minos {

// A fuzzer's input, read as the bytes of a program. What is taken beyond its end is nothing, or 0.
class Program {
 public:
  explicit Program(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return bytes_.empty(); }
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const auto value = static_cast<std::uint8_t>(bytes_.front());
    bytes_.remove_prefix(1);
    return value;
  }
  std::string_view take(std::size_t n) {
    const std::string_view taken = bytes_.substr(0, n);
    bytes_.remove_prefix(taken.size());
    return taken;
  }

 private:
  std::string_view bytes_;
};

}  // namespace minos
