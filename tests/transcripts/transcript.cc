#include "transcripts/transcript.h"

#include <algorithm>
#include <map>
#include <regex>
#include <utility>

#include "base/prng.h"

namespace minos {
namespace {

std::string printable(std::string_view bytes) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\r') {
      out += "\\r";
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < ' ' || byte > '~' || c == '\\') {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + "\"";
}

class Run {
 public:
  Run(TranscriptPeer& peer, const TranscriptSplit& split)
      : peer_(peer), split_(split), prng_(split.seed) {}

  std::string run(const Transcript& transcript) {
    int line = 0;
    for (const TranscriptStep& step : transcript.steps) {
      line = step.line;
      play(step);
      if (!problem_.empty()) break;
    }
    if (problem_.empty()) nothing_more();
    if (problem_.empty()) return {};
    return transcript.name + ":" + std::to_string(line) + ": " + problem_;
  }

 private:
  using Kind = TranscriptStep::Kind;

  void play(const TranscriptStep& step) {
    switch (step.kind) {
      case Kind::kSend:
        return send(step);
      case Kind::kExpect:
        return expect(step);
      case Kind::kMatch:
        return match(step);
      case Kind::kMatchAll:
        return match_all(step);
      case Kind::kWait:
        return peer_.wait(step.seconds);
      case Kind::kConnect:
        nothing_more();
        received_.clear();
        return peer_.reconnect();
      case Kind::kClosed:
        nothing_more();
        if (problem_.empty() && !peer_.closed()) problem_ = "the connection is still open";
        return;
    }
  }

  std::string resolve(const TranscriptPiece& piece) {
    if (const auto* bytes = std::get_if<std::string>(&piece)) return *bytes;
    if (const auto* time = std::get_if<TranscriptTime>(&piece)) {
      return std::to_string(peer_.unix_now() + time->offset_s);
    }
    const std::string& name = std::get<TranscriptName>(piece).name;
    const auto found = names_.find(name);
    if (found == names_.end()) problem_ = "no reply has bound {" + name + "}";
    return found == names_.end() ? std::string() : found->second;
  }

  std::size_t next_piece_bytes(std::size_t sent, std::size_t left) {
    switch (split_.kind) {
      case TranscriptSplit::Kind::kWhole:
        return left;
      case TranscriptSplit::Kind::kEveryByte:
        return 1;
      case TranscriptSplit::Kind::kAt:
        return sent < split_.at ? split_.at - sent : left;
      case TranscriptSplit::Kind::kRandom: {
        // Lengths of every magnitude, so that long requests end and short pieces occur.
        const std::uint64_t magnitude = prng_.below(18);
        return 1 + prng_.below(std::uint64_t{1} << magnitude);
      }
    }
    return left;
  }

  void send(const TranscriptStep& step) {
    std::string data;
    for (const TranscriptPiece& piece : step.pieces) data += resolve(piece);
    for (std::size_t sent = 0; sent < data.size();) {
      const std::size_t left = data.size() - sent;
      const std::size_t bytes = std::min(next_piece_bytes(sent, left), left);
      peer_.send(std::string_view(data).substr(sent, bytes));
      sent += bytes;
    }
  }

  // Up to `bytes` of what comes next, without taking them.
  std::string_view peek(std::size_t bytes) {
    if (received_.size() < bytes) received_ += peer_.receive(bytes - received_.size());
    return std::string_view(received_).substr(0, bytes);
  }

  std::string take(std::size_t bytes) {
    std::string out(peek(bytes));
    received_.erase(0, out.size());
    return out;
  }

  // The next line with its end, or what there is of it.
  std::string_view peek_line() {
    std::size_t seen = 0;
    while (true) {
      const std::size_t end = received_.find('\n', seen);
      if (end != std::string::npos) return std::string_view(received_).substr(0, end + 1);
      seen = received_.size();
      if (peek(seen + 1).size() <= seen) return received_;
    }
  }

  void expect(const TranscriptStep& step) {
    for (const TranscriptPiece& piece : step.pieces) {
      const auto* name = std::get_if<TranscriptName>(&piece);
      if (name != nullptr && name->capture) {
        std::string digits;
        while (!peek(1).empty() && peek(1)[0] >= '0' && peek(1)[0] <= '9') digits += take(1);
        if (digits.empty()) problem_ = "wanted a number, got " + printable(peek(80));
        names_[name->name] = std::move(digits);
      } else {
        const std::string wanted = resolve(piece);
        if (problem_.empty()) compare(wanted, take(wanted.size()));
      }
      if (!problem_.empty()) return;
    }
  }

  void compare(std::string_view wanted, std::string_view got) {
    if (wanted == got) return;
    const auto [w, g] = std::mismatch(wanted.begin(), wanted.end(), got.begin(), got.end());
    const auto at = static_cast<std::size_t>(w - wanted.begin());
    const std::size_t from = at - std::min<std::size_t>(at, 40);
    problem_ = "first difference at byte " + std::to_string(at) + "\n  from byte " +
               std::to_string(from) + "\n  wanted " + printable(wanted.substr(from, 100)) +
               "\n  got    " + printable(got.substr(std::min(from, got.size()), 100)) +
               "\n  then   " + printable(peek(100)) +
               (peer_.closed() ? "\n  and the end of the connection" : "");
  }

  static bool matches(std::string_view line, const std::regex& regex) {
    return line.ends_with("\r\n") && std::regex_match(line.begin(), line.end() - 2, regex);
  }

  void match(const TranscriptStep& step) {
    const std::string line = take(peek_line().size());
    if (!matches(line, std::regex(step.regex))) {
      problem_ = "wanted a line like " + step.regex + ", got " + printable(line);
    }
  }

  void match_all(const TranscriptStep& step) {
    const std::regex regex(step.regex);
    while (matches(peek_line(), regex)) take(peek_line().size());
  }

  void nothing_more() {
    if (const std::string_view extra = peek(100); !extra.empty()) {
      problem_ = "wanted nothing more, got " + printable(extra);
    }
  }

  TranscriptPeer& peer_;
  TranscriptSplit split_;
  Prng prng_;
  std::string received_;
  std::map<std::string, std::string> names_;
  std::string problem_;
};

}  // namespace

std::string run_transcript(const Transcript& transcript, TranscriptPeer& peer,
                           const TranscriptSplit& split) {
  return Run(peer, split).run(transcript);
}

}  // namespace minos
