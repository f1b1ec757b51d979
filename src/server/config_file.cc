#include "server/config_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include <toml++/toml.h>

namespace minos {
namespace {

constexpr std::size_t kFileBytesMax = 1 * kMiB;

const OptionRow* find_row(std::string_view key) {
  for (const OptionGroup& group : option_groups()) {
    for (const OptionRow& row : group.rows) {
      if (row.long_name == key && allowed_in_file(row)) return &row;
    }
  }
  return nullptr;
}

std::string allowed_keys() {
  std::string out;
  for (const OptionGroup& group : option_groups()) {
    for (const OptionRow& row : group.rows) {
      if (!allowed_in_file(row)) continue;
      if (!out.empty()) out += ", ";
      out += row.long_name;
    }
  }
  return out;
}

std::string_view wanted_type(OptionKind kind) {
  switch (kind) {
    case OptionKind::kFlag:
      return "true or false";
    case OptionKind::kCount:
    case OptionKind::kInteger:
      return "a whole number";
    case OptionKind::kNumber:
      return "a number";
    case OptionKind::kSize:
      return "a whole number, or text such as \"64k\"";
    case OptionKind::kText:
      return "text in quotes";
    case OptionKind::kList:
      return "text in quotes, or an array of such texts";
  }
  return "";
}

std::optional<std::vector<std::string>> texts_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return std::vector{text->get()};
  const auto* const array = node.as_array();
  if (array == nullptr || array->empty()) return std::nullopt;
  std::vector<std::string> texts;
  for (const toml::node& element : *array) {
    const auto* const text = element.as_string();
    if (text == nullptr) return std::nullopt;
    texts.push_back(text->get());
  }
  return texts;
}

// Empty when the node has not the type that the option wants.
std::optional<std::vector<std::string>> values_of(const toml::node& node, OptionKind kind) {
  const auto* const flag = node.as_boolean();
  const auto* const integer = node.as_integer();
  const auto* const number = node.as_floating_point();
  const auto* const text = node.as_string();
  switch (kind) {
    case OptionKind::kFlag:
      if (flag != nullptr) return std::vector<std::string>{flag->get() ? "true" : "false"};
      break;
    case OptionKind::kNumber:
      if (number != nullptr) return std::vector{fmt::format("{}", number->get())};
      [[fallthrough]];
    case OptionKind::kCount:
    case OptionKind::kInteger:
      if (integer != nullptr) return std::vector{fmt::format("{}", integer->get())};
      break;
    case OptionKind::kSize:
      if (integer != nullptr) return std::vector{fmt::format("{}", integer->get())};
      [[fallthrough]];
    case OptionKind::kText:
      if (text != nullptr) return std::vector{text->get()};
      break;
    case OptionKind::kList:
      return texts_of(node);
  }
  return std::nullopt;
}

}  // namespace

std::expected<std::vector<ConfigEntry>, std::string> parse_config(std::string_view text,
                                                                  const std::string& path) {
  toml::table table;
  try {
    table = toml::parse(text, path);
  } catch (const toml::parse_error& error) {
    return std::unexpected(
        fmt::format("{}:{}: {}", path, error.source().begin.line, error.description()));
  }
  std::vector<ConfigEntry> entries;
  for (const auto& [key, node] : table) {
    ConfigEntry entry;
    entry.row = find_row(key.str());
    entry.line = static_cast<int>(key.source().begin.line);
    if (entry.row == nullptr) {
      return std::unexpected(fmt::format("{}:{}: unknown key \"{}\"; allowed keys: {}", path,
                                         entry.line, key.str(), allowed_keys()));
    }
    auto values = values_of(node, entry.row->kind);
    if (!values) {
      return std::unexpected(fmt::format("{}:{}: key \"{}\" must be {}", path, entry.line,
                                         key.str(), wanted_type(entry.row->kind)));
    }
    entry.values = *std::move(values);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::expected<std::vector<ConfigEntry>, std::string> read_config_file(const std::string& path) {
  const auto fail = [&path](std::string_view why) {
    return std::unexpected(fmt::format("{}: cannot be read: {}", path, why));
  };
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (file == nullptr) return fail(std::strerror(errno));
  std::string text(kFileBytesMax + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return fail(std::strerror(errno));
  if (text.size() > kFileBytesMax) return fail("longer than 1 MiB");
  return parse_config(text, path);
}

}  // namespace minos
