#pragma once

#include <fstream>
#include <functional>
#include <string>
#include <string_view>

namespace minos {

// Where a command's report goes: as text to standard output, with --json as JSON instead, with
// --json=FILE as both.
class ReportOutput {
 public:
  // Opens the file, if one is named: nobody wants to learn of a wrong path after an hour. False: it
  // cannot be written, which standard error says of `command`, as "minos load".
  bool open(std::string_view command, bool json, const std::string& file_name);
  // Makes what is asked for. False: the file could not be written in full, and was said so.
  bool write(const std::function<std::string()>& json, const std::function<std::string()>& text);

 private:
  std::string command_;
  bool json_ = false;
  std::string file_name_;  // empty: none
  std::ofstream file_;
};

}  // namespace minos
