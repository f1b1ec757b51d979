#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace minos {

// Text in rows and columns; every row has as many cells as there are columns.
struct Table {
  std::vector<std::string> columns{};
  std::vector<std::vector<std::string>> rows{};
};

// RFC 4180, but lines end with \n: cells with commas, quotes or line ends are quoted.
std::string csv_of(const Table& table);

// &, <, > and both quotes become entities, so that the text can stand in an element or attribute of
// HTML or SVG.
std::string escaped(std::string_view text);

// A <table>. Cells of the first column are headings of their rows.
std::string html_of(const Table& table);

}  // namespace minos
