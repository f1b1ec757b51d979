#include "wire/memcache_text.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "wire/memcache_reply.h"
#include "wire/tokens.h"

namespace minos {
namespace {

// What memcached's "int" holds of a length with its \r\n: above is a bad line, not a large value.
constexpr std::uint64_t kValueBytesWordable = std::numeric_limits<std::int32_t>::max() - 2;

TextParse need_more() {
  return {};
}

TextParse failed(std::size_t consumed, std::string_view reply) {
  TextParse out;
  out.kind = TextParse::Kind::kError;
  out.consumed = consumed;
  out.error.reply = reply;
  return out;
}

TextParse discarded(std::size_t bytes) {
  return failed(bytes, {});
}

TextParse out_of_step(std::size_t consumed) {
  TextParse out = discarded(consumed);
  out.error.close = true;
  return out;
}

// One line without its end, split at blanks. Tokens are kept small because clearing them costs.
class Line {
 public:
  static constexpr std::size_t kTokensMax = 8;  // one more than the longest command has

  explicit Line(std::string_view text) : text_(text) {
    std::size_t pos = skip_blanks(text, 0);
    while (pos < text.size() && count < kTokensMax) {
      const std::size_t end = find_blank_or_newline(text, pos);
      tokens_[count++] = {static_cast<std::uint16_t>(pos), static_cast<std::uint16_t>(end - pos)};
      pos = skip_blanks(text, end);
    }
  }

  std::string_view token(std::size_t i) const {
    return i < count ? std::string_view(text_.data() + tokens_[i].begin, tokens_[i].bytes)
                     : std::string_view();
  }
  std::string_view verb() const { return token(0); }
  std::string_view key() const { return token(1); }
  bool key_ok() const { return key().size() <= kKeyBytesMax; }
  bool noreply() const { return count > 0 && token(count - 1) == "noreply"; }

  // All after the verb, without the blanks around it.
  std::string_view argument() const {
    if (count < 2) return {};
    const std::string_view rest = text_.substr(tokens_[1].begin);
    return rest.substr(0, rest.find_last_not_of(' ') + 1);
  }

  std::size_t count = 0;

 private:
  struct Token {
    std::uint16_t begin = 0;
    std::uint16_t bytes = 0;
  };
  static_assert(kCommandLineBytesMax <= std::numeric_limits<std::uint16_t>::max());

  std::string_view text_;
  Token tokens_[kTokensMax];
};

TextParse succeeded(const Line& line, TextOp op) {
  TextParse out;
  out.kind = TextParse::Kind::kCommand;
  out.command.op = op;
  if (line.count > 1) {
    out.command.key = line.key();
    out.command.noreply = line.noreply();
  }
  return out;
}

// The command is of the right shape but says something wrong.
TextParse refused(const Line& line, std::string_view reply) {
  return failed(0, line.noreply() ? std::string_view() : reply);
}

bool args_between(const Line& line, std::size_t min, std::size_t max) {
  return line.count > min && line.count <= max + 1;
}

// <op> <key> <flags> <exptime> <bytes> [<cas>] [noreply]
TextParse parse_storage(const Line& line, TextOp op, std::uint64_t value_bytes_max) {
  const std::size_t args = op == TextOp::kCas ? 5 : 4;
  if (!args_between(line, args, args + 1)) return failed(0, text_reply::kError);
  if (!line.key_ok()) return refused(line, text_reply::kBadLine);
  const auto flags = parse_unsigned(line.token(2));
  const auto exptime = parse_signed(line.token(3));
  const auto bytes = parse_signed(line.token(4));
  const auto cas = op == TextOp::kCas ? parse_unsigned(line.token(5)) : 0;
  if (!flags || !exptime || !bytes || !cas || *bytes < 0 ||
      static_cast<std::uint64_t>(*bytes) > kValueBytesWordable) {
    return refused(line, text_reply::kBadLine);
  }
  TextParse out = succeeded(line, op);
  out.command.flags = static_cast<std::uint32_t>(*flags);
  out.command.exptime = *exptime;
  out.command.value_bytes = static_cast<std::uint64_t>(*bytes);
  out.command.cas = *cas;
  if (out.command.value_bytes > value_bytes_max) {
    out.kind = TextParse::Kind::kError;
    if (!out.command.noreply) out.error.reply = text_reply::kTooLarge;
    out.error.swallow_bytes = out.command.value_bytes + 2;
  }
  return out;
}

// delete <key> [0] [noreply]: the 0 was once a time.
TextParse parse_delete(const Line& line, TextOp op) {
  if (!args_between(line, 1, 3)) return failed(0, text_reply::kError);
  const bool zero = line.token(2) == "0";
  const bool valid = line.count == 2 || (line.count == 3 && (zero || line.noreply())) ||
                     (line.count == 4 && zero && line.noreply());
  if (!valid) return refused(line, text_reply::kBadDelete);
  if (!line.key_ok()) return refused(line, text_reply::kBadLine);
  TextParse out = succeeded(line, op);
  if (line.count == 2) out.command.noreply = false;  // a key of that name
  return out;
}

// incr|decr <key> <delta> [noreply]
TextParse parse_arith(const Line& line, TextOp op) {
  if (!args_between(line, 2, 3)) return failed(0, text_reply::kError);
  if (!line.key_ok()) return refused(line, text_reply::kBadLine);
  const auto delta = parse_unsigned(line.token(2));
  if (!delta) return refused(line, text_reply::kBadDelta);
  TextParse out = succeeded(line, op);
  out.command.delta = *delta;
  return out;
}

// touch <key> <exptime> [noreply]
TextParse parse_touch(const Line& line, TextOp op) {
  if (!args_between(line, 2, 3)) return failed(0, text_reply::kError);
  if (!line.key_ok()) return refused(line, text_reply::kBadLine);
  const auto exptime = parse_signed(line.token(2));
  if (!exptime) return refused(line, text_reply::kBadExptime);
  TextParse out = succeeded(line, op);
  out.command.exptime = *exptime;
  return out;
}

// flush_all [<delay>] [noreply]
TextParse parse_flush_all(const Line& line, TextOp op) {
  if (!args_between(line, 0, 2)) return failed(0, text_reply::kError);
  TextParse out = succeeded(line, op);
  out.command.key = {};
  if (line.count == (line.noreply() ? 2U : 1U)) return out;
  const auto delay = parse_signed(line.token(1));
  if (!delay) return refused(line, text_reply::kBadExptime);
  out.command.exptime = *delay;
  return out;
}

// verbosity <level> [noreply]
TextParse parse_verbosity(const Line& line, TextOp op) {
  if (!args_between(line, 1, 2)) return failed(0, text_reply::kError);
  if (!parse_unsigned(line.token(1))) return refused(line, text_reply::kBadLine);
  TextParse out = succeeded(line, op);
  out.command.key = {};
  out.command.argument = line.argument();
  return out;
}

// version, stats, quit, shutdown: whatever follows is theirs to judge or ignore.
TextParse parse_plain(const Line& line, TextOp op) {
  TextParse out;
  out.kind = TextParse::Kind::kCommand;
  out.command.op = op;
  out.command.argument = line.argument();
  return out;
}

struct Verb {
  enum class Form : std::uint8_t {
    kStorage,
    kDelete,
    kArith,
    kTouch,
    kFlushAll,
    kVerbosity,
    kPlain
  };
  std::string_view name;
  Form form;
  TextOp op;
};

// Retrievals are not here: their lines are parsed key by key.
constexpr Verb kVerbs[] = {
    {"set", Verb::Form::kStorage, TextOp::kSet},
    {"add", Verb::Form::kStorage, TextOp::kAdd},
    {"cas", Verb::Form::kStorage, TextOp::kCas},
    {"delete", Verb::Form::kDelete, TextOp::kDelete},
    {"incr", Verb::Form::kArith, TextOp::kIncr},
    {"decr", Verb::Form::kArith, TextOp::kDecr},
    {"touch", Verb::Form::kTouch, TextOp::kTouch},
    {"append", Verb::Form::kStorage, TextOp::kAppend},
    {"prepend", Verb::Form::kStorage, TextOp::kPrepend},
    {"replace", Verb::Form::kStorage, TextOp::kReplace},
    {"stats", Verb::Form::kPlain, TextOp::kStats},
    {"version", Verb::Form::kPlain, TextOp::kVersion},
    {"flush_all", Verb::Form::kFlushAll, TextOp::kFlushAll},
    {"verbosity", Verb::Form::kVerbosity, TextOp::kVerbosity},
    {"quit", Verb::Form::kPlain, TextOp::kQuit},
    {"shutdown", Verb::Form::kPlain, TextOp::kShutdown},
};

// METHOD PATH HTTP/1.1: a browser that was sent here by a page. What it posts must not be taken for
// commands.
bool is_http_request(const Line& line) {
  return line.count == 3 && line.token(2).starts_with("HTTP/");
}

TextParse parse_tokens(const Line& line, std::uint64_t value_bytes_max) {
  const Verb* verb = std::find_if(std::begin(kVerbs), std::end(kVerbs),
                                  [&](const Verb& v) { return v.name == line.verb(); });
  if (verb == std::end(kVerbs)) {
    return is_http_request(line) ? out_of_step(0) : failed(0, text_reply::kError);
  }
  switch (verb->form) {
    case Verb::Form::kStorage:
      return parse_storage(line, verb->op, value_bytes_max);
    case Verb::Form::kDelete:
      return parse_delete(line, verb->op);
    case Verb::Form::kArith:
      return parse_arith(line, verb->op);
    case Verb::Form::kTouch:
      return parse_touch(line, verb->op);
    case Verb::Form::kFlushAll:
      return parse_flush_all(line, verb->op);
    case Verb::Form::kVerbosity:
      return parse_verbosity(line, verb->op);
    case Verb::Form::kPlain:
      return parse_plain(line, verb->op);
  }
  return failed(0, text_reply::kError);
}

// The retrieval verb with its blank at the start of `text`, if there is one.
struct Retrieval {
  TextOp op;
  std::size_t bytes;
};

std::optional<Retrieval> retrieval_at(std::string_view text) {
  if (!text.starts_with('g')) return std::nullopt;
  if (text.starts_with("get ")) return Retrieval{TextOp::kGet, 4};
  if (text.starts_with("gets ")) return Retrieval{TextOp::kGets, 5};
  if (text.starts_with("gat ")) return Retrieval{TextOp::kGat, 4};
  if (text.starts_with("gats ")) return Retrieval{TextOp::kGats, 5};
  return std::nullopt;
}

bool has_exptime(TextOp op) {
  return op == TextOp::kGat || op == TextOp::kGats;
}

// What stands at the first non-blank byte: a line end, the start of a token, or too little to say.
struct Ahead {
  enum class Kind : std::uint8_t { kUnknown, kLineEnd, kToken };
  Kind kind;
  std::size_t pos;  // of the token, or behind the line end
};

Ahead look_ahead(std::string_view input, std::size_t pos) {
  pos = skip_blanks(input, pos);
  if (pos == input.size()) return {Ahead::Kind::kUnknown, pos};
  if (input[pos] == '\n') return {Ahead::Kind::kLineEnd, pos + 1};
  if (input[pos] != '\r') return {Ahead::Kind::kToken, pos};
  if (pos + 1 == input.size()) return {Ahead::Kind::kUnknown, pos};
  if (input[pos + 1] == '\n') return {Ahead::Kind::kLineEnd, pos + 2};
  return {Ahead::Kind::kToken, pos};
}

}  // namespace

TextParse TextParser::parse(std::string_view input) {
  switch (state_) {
    case State::kLine:
      return parse_line(input);
    case State::kKeys:
      return parse_key(input, 0);
    case State::kSkipLine:
      return skip_line(input);
  }
  return need_more();
}

TextParse TextParser::parse_line(std::string_view input) {
  // Everything is decided within the longest line, so that it does not depend on how much of the
  // stream has arrived.
  const std::string_view head = input.substr(0, kCommandLineBytesMax + 1);
  const std::size_t start = skip_blanks(head, 0);
  if (const auto retrieval = retrieval_at(head.substr(start))) {
    return begin_keys(input, retrieval->op, start + retrieval->bytes);
  }
  const std::size_t newline = head.find('\n');
  if (newline == std::string_view::npos) {
    return head.size() > kCommandLineBytesMax ? out_of_step(head.size()) : need_more();
  }
  std::string_view text = head.substr(0, newline);
  if (text.ends_with('\r')) text.remove_suffix(1);
  TextParse out = parse_tokens(Line(text), value_bytes_max_);
  out.consumed = newline + 1;
  return out;
}

// At the blank-separated arguments of a retrieval, none of which has been consumed.
TextParse TextParser::begin_keys(std::string_view input, TextOp op, std::size_t pos) {
  const std::string_view head = input.substr(0, kCommandLineBytesMax + 1);
  const auto unknown = [&] {
    return head.size() > kCommandLineBytesMax ? out_of_step(head.size()) : need_more();
  };
  keys_op_ = op;
  keys_exptime_ = 0;
  Ahead ahead = look_ahead(head, pos);
  if (ahead.kind == Ahead::Kind::kUnknown) return unknown();
  if (ahead.kind == Ahead::Kind::kLineEnd) return failed(ahead.pos, text_reply::kError);
  if (!has_exptime(op)) return parse_key(input, ahead.pos);

  const std::size_t end = find_blank_or_newline(head, ahead.pos);
  if (end == head.size()) return unknown();
  const auto exptime = parse_signed(head.substr(ahead.pos, end - ahead.pos));
  if (!exptime) {
    state_ = State::kSkipLine;
    return failed(end, text_reply::kBadExptime);
  }
  ahead = look_ahead(head, end);
  if (ahead.kind == Ahead::Kind::kUnknown) return unknown();
  if (ahead.kind == Ahead::Kind::kLineEnd) return failed(ahead.pos, text_reply::kEnd);
  keys_exptime_ = *exptime;
  return parse_key(input, ahead.pos);
}

// At the first byte of a key. The key is given out once it is known whether another follows.
TextParse TextParser::parse_key(std::string_view input, std::size_t pos) {
  const std::string_view window = input.substr(0, pos + kKeyBytesMax + 2);  // a key and \r\n
  const std::size_t delimiter = find_blank_or_newline(window, pos);
  const bool delimited = delimiter < window.size();
  if (!delimited && window.size() < pos + kKeyBytesMax + 2) return need_more();
  std::size_t end = delimiter;
  if (delimited && input[end] == '\n' && input[end - 1] == '\r') --end;
  if (end - pos > kKeyBytesMax) {
    state_ = State::kSkipLine;
    return failed(pos + kKeyBytesMax, text_reply::kBadLine);
  }

  const std::string_view near = input.substr(0, delimiter + kCommandLineBytesMax + 1);
  const Ahead ahead = look_ahead(near, delimiter);
  if (ahead.kind == Ahead::Kind::kUnknown) {
    return near.size() > delimiter + kCommandLineBytesMax ? out_of_step(near.size()) : need_more();
  }
  TextParse out;
  out.kind = TextParse::Kind::kCommand;
  out.consumed = ahead.pos;
  out.command.op = keys_op_;
  out.command.key = input.substr(pos, end - pos);
  out.command.exptime = keys_exptime_;
  out.command.last_key = ahead.kind == Ahead::Kind::kLineEnd;
  state_ = out.command.last_key ? State::kLine : State::kKeys;
  return out;
}

TextParse TextParser::skip_line(std::string_view input) {
  if (input.empty()) return need_more();
  const std::size_t newline = input.find('\n');
  if (newline == std::string_view::npos) return discarded(input.size());
  state_ = State::kLine;
  return discarded(newline + 1);
}

}  // namespace minos
