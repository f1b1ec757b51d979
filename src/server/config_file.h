#pragma once

#include <expected>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/option_table.h"

namespace minos {

// What the file says of one option, spelled as it would be on the command line.
struct ConfigEntry {
  const OptionRow* row = nullptr;
  int line = 0;
  std::vector<std::string> values;  // more than one only for OptionKind::kList
};

// Reads a TOML file whose keys are long option names. Checks keys and types, not values. Errors
// name the file, the line, the key and what is allowed.
std::expected<std::vector<ConfigEntry>, std::string> read_config_file(const std::string& path);

// The same for text at hand; `path` is for messages.
std::expected<std::vector<ConfigEntry>, std::string> parse_config(std::string_view text,
                                                                  const std::string& path);

}  // namespace minos
