#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "server/option_values.h"
#include "server/options.h"

namespace minos {

// What a value looks like in a configuration file; on the command line all but the first two take
// one argument.
enum class OptionKind : std::uint8_t {
  kFlag,     // true or false
  kCount,    // whole number; -vv on the command line
  kInteger,  // whole number
  kNumber,   // any number
  kSize,     // whole number, or text with a suffix
  kText,     // text
  kList,     // text, or an array of texts; repeatable
};

// One option, the same for the command line, the configuration file and --help.
struct OptionRow {
  char short_name;  // 0 = none
  std::string_view long_name;
  OptionKind kind;
  std::string_view argument;      // its name in --help
  std::string_view default_text;  // parsing it gives the default; "" = nothing to say
  std::string_view help;
  // Takes one value; a kFlag gets "true" or "false". nullptr: handled by parse_options.
  Parsed<void> (*apply)(ServerOptions& options, std::string_view value);
};

struct OptionGroup {
  std::string_view title;
  std::span<const OptionRow> rows;
};

// In the order in which values are to be applied.
std::span<const OptionGroup> option_groups();

// "-p/--port"
std::string option_name(const OptionRow& row);

// May the option stand in a configuration file?
bool allowed_in_file(const OptionRow& row);

std::string help_text();

// Why an option that memcached has is not here; "" for one that memcached does not have either.
std::string_view why_missing(std::string_view option);

}  // namespace minos
