#include "experiment/table.h"

#include "base/check.h"

namespace minos {
namespace {

void append_csv_row(std::string& out, const std::vector<std::string>& cells) {
  bool first = true;
  for (const std::string& cell : cells) {
    if (!first) out += ',';
    first = false;
    if (cell.find_first_of(",\"\r\n") == std::string::npos) {
      out += cell;
      continue;
    }
    out += '"';
    for (const char c : cell) {
      if (c == '"') out += '"';
      out += c;
    }
    out += '"';
  }
  out += '\n';
}

}  // namespace

std::string csv_of(const Table& table) {
  std::string out;
  append_csv_row(out, table.columns);
  for (const std::vector<std::string>& row : table.rows) {
    CHECK(row.size() == table.columns.size());
    append_csv_row(out, row);
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string html_of(const Table& table) {
  std::string out = "<table>\n<thead><tr>";
  for (const std::string& column : table.columns) {
    out += "<th scope=\"col\">" + escaped(column) + "</th>";
  }
  out += "</tr></thead>\n<tbody>\n";
  for (const std::vector<std::string>& row : table.rows) {
    CHECK(row.size() == table.columns.size());
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const char* const tag = i == 0 ? "th" : "td";
      out += std::string("<") + tag + (i == 0 ? " scope=\"row\">" : ">") + escaped(row[i]) + "</" +
             tag + ">";
    }
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table>\n";
}

}  // namespace minos
