#include "cli/report_output.h"

#include <fmt/format.h>

#include <cstdio>

namespace minos {

bool ReportOutput::open(std::string_view command, bool json, const std::string& file_name) {
  command_ = command;
  json_ = json;
  file_name_ = file_name;
  if (file_name_.empty()) return true;
  file_.open(file_name_);
  if (!file_) fmt::print(stderr, "{}: cannot write --json={}\n", command_, file_name_);
  return file_.good();
}

bool ReportOutput::write(const std::function<std::string()>& json,
                         const std::function<std::string()>& text) {
  bool whole = true;
  if (json_ && file_name_.empty()) {
    fmt::print("{}\n", json());
  } else if (json_) {
    whole = static_cast<bool>(file_ << json() << "\n" << std::flush);
    if (!whole) {
      fmt::print(stderr, "{}: could not write all of --json={}\n", command_, file_name_);
    }
  }
  if (!json_ || !file_name_.empty()) fmt::print("{}", text());
  return whole;
}

}  // namespace minos
