#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>
#include <optional>
#include <type_traits>
#include <utility>

#include "transcripts/transcript.h"

namespace minos {
namespace {

template <typename T>
std::optional<T> number(std::string_view text, int base = 10) {
  T value{};
  const char* end = text.data() + text.size();
  if constexpr (std::is_floating_point_v<T>) {
    if (const auto r = std::from_chars(text.data(), end, value);
        r.ptr == end && r.ec == std::errc())
      return value;
  } else {
    const auto r = std::from_chars(text.data(), end, value, base);
    if (r.ptr == end && r.ec == std::errc()) return value;
  }
  return std::nullopt;
}

// Reads BYTES of README.md from the front of `rest_`.
class BytesReader {
 public:
  explicit BytesReader(std::string_view text) : rest_(text) {}

  // False: the text is malformed.
  bool read(std::vector<TranscriptPiece>& out) {
    while (!rest_.empty()) {
      if (take('{')) {
        if (!brace(out)) return false;
      } else if (const auto c = byte()) {
        literal(out, std::string(1, *c));
      } else {
        return false;
      }
    }
    return true;
  }

 private:
  bool take(char c) {
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  static void literal(std::vector<TranscriptPiece>& out, std::string bytes) {
    if (out.empty() || !std::holds_alternative<std::string>(out.back())) {
      out.emplace_back(std::move(bytes));
    } else {
      std::get<std::string>(out.back()) += bytes;
    }
  }

  // One byte, perhaps escaped.
  std::optional<char> byte() {
    if (rest_.empty()) return std::nullopt;
    const char c = rest_[0];
    rest_.remove_prefix(1);
    if (c != '\\') return c;
    if (rest_.empty()) return std::nullopt;
    const char escaped = rest_[0];
    rest_.remove_prefix(1);
    switch (escaped) {
      case 'r':
        return '\r';
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case '\\':
      case '{':
      case '}':
      case '#':
        return escaped;
      case 'x':
        break;
      default:
        return std::nullopt;
    }
    const auto value = number<std::uint8_t>(rest_.substr(0, 2), 16);
    if (!value || rest_.size() < 2) return std::nullopt;
    rest_.remove_prefix(2);
    return static_cast<char>(*value);
  }

  // What stands in braces, the first of which has been taken.
  bool brace(std::vector<TranscriptPiece>& out) {
    const std::string_view start = rest_;
    std::vector<std::string> parts(1);  // the bytes between unescaped #
    while (!rest_.starts_with('}')) {
      if (take('#')) {
        parts.emplace_back();
      } else if (const auto count = repeat_end()) {
        for (std::size_t i = 0; i < *count; ++i) literal(out, join(parts, std::to_string(i)));
        return true;
      } else if (const auto c = byte()) {
        parts.back() += *c;
      } else {
        return false;
      }
    }
    const std::string_view inside = start.substr(0, start.size() - rest_.size());
    rest_.remove_prefix(1);
    return reference(inside, out);
  }

  // "*N}", if that comes next.
  std::optional<std::size_t> repeat_end() {
    if (!rest_.starts_with('*')) return std::nullopt;
    const std::size_t close = rest_.find('}');
    if (close == std::string_view::npos) return std::nullopt;
    const auto count = number<std::size_t>(rest_.substr(1, close - 1));
    if (count) rest_.remove_prefix(close + 1);
    return count;
  }

  static std::string join(const std::vector<std::string>& parts, std::string_view between) {
    std::string out = parts[0];
    for (std::size_t i = 1; i < parts.size(); ++i) out.append(between).append(parts[i]);
    return out;
  }

  static bool reference(std::string_view inside, std::vector<TranscriptPiece>& out) {
    if (inside.starts_with("now+") || inside.starts_with("now-")) {
      const auto offset = number<std::int64_t>(inside.substr(4));
      if (!offset) return false;
      out.emplace_back(TranscriptTime{inside[3] == '-' ? -*offset : *offset});
      return true;
    }
    const bool capture = inside.starts_with("cas:");
    const std::string_view name = capture ? inside.substr(4) : inside;
    const bool word = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
    });
    if (word) out.emplace_back(TranscriptName{std::string(name), capture});
    return word;
  }

  std::string_view rest_;
};

// False: the line is malformed.
bool parse_line(std::string_view line, int number_of_line, Transcript& out) {
  using Kind = TranscriptStep::Kind;
  const std::size_t blank = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, blank);
  const std::string_view rest = line.substr(std::min(blank + 1, line.size()));
  TranscriptStep step;
  step.line = number_of_line;
  if (word == "args") {
    out.args = rest;
    return true;
  }
  if (word == "minos-only") {
    out.minos_only = rest;
    return true;
  }
  if (word == ">") {
    if (!out.steps.empty() && out.steps.back().kind == Kind::kSend) {
      return BytesReader(rest).read(out.steps.back().pieces);
    }
    if (!BytesReader(rest).read(step.pieces)) return false;
  } else if (word == "<") {
    step.kind = Kind::kExpect;
    if (!BytesReader(rest).read(step.pieces)) return false;
  } else if (word == "~" || word == "~*") {
    step.kind = word == "~" ? Kind::kMatch : Kind::kMatchAll;
    step.regex = rest;
  } else if (word == "wait") {
    const auto seconds = number<double>(rest);
    if (!seconds) return false;
    step.kind = Kind::kWait;
    step.seconds = *seconds;
  } else if (line == "connect") {
    step.kind = Kind::kConnect;
  } else if (line == "closed") {
    step.kind = Kind::kClosed;
  } else {
    return false;
  }
  out.steps.push_back(std::move(step));
  return true;
}

}  // namespace

std::expected<Transcript, std::string> parse_transcript(std::string_view name,
                                                        std::string_view text) {
  Transcript out;
  out.name = name;
  for (int line_number = 1; !text.empty(); ++line_number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (line.empty() || line.starts_with('#')) continue;
    if (!parse_line(line, line_number, out)) {
      return std::unexpected(out.name + ":" + std::to_string(line_number) +
                             ": cannot be read: " + std::string(line.substr(0, 80)));
    }
  }
  return out;
}

std::expected<Transcript, std::string> load_transcript(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file) return std::unexpected(path.string() + ":0: cannot be opened");
  return parse_transcript(path.filename().string(), text);
}

std::expected<std::vector<std::string>, std::string> transcript_names(
    const std::filesystem::path& folder) {
  std::vector<std::string> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".txt") out.push_back(entry.path().filename().string());
  }
  if (error) return std::unexpected(folder.string() + ":0: " + error.message());
  std::ranges::sort(out);
  return out;
}

std::expected<std::vector<Transcript>, std::string> load_transcripts(
    const std::filesystem::path& folder) {
  const auto names = transcript_names(folder);
  if (!names) return std::unexpected(names.error());
  std::vector<Transcript> out;
  for (const std::string& name : *names) {
    auto transcript = load_transcript(folder / name);
    if (!transcript) return std::unexpected(transcript.error());
    out.push_back(*std::move(transcript));
  }
  return out;
}

}  // namespace minos
