#include "wire/memcache_text.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "wire/memcache_reply.h"

namespace minos {
namespace {

constexpr std::uint64_t kValueBytesMax = 1000;
using Kind = TextParse::Kind;

std::string key_of(std::size_t bytes) {
  return std::string(bytes, 'k');
}

// Parses a line that must be consumed whole and give a command.
TextCommand command(std::string_view line) {
  TextParser parser(kValueBytesMax);
  const TextParse parsed = parser.parse(line);
  EXPECT_EQ(parsed.kind, Kind::kCommand) << line;
  EXPECT_EQ(parsed.consumed, line.size()) << line;
  return parsed.command;
}

TextError error(std::string_view line) {
  TextParser parser(kValueBytesMax);
  const TextParse parsed = parser.parse(line);
  EXPECT_EQ(parsed.kind, Kind::kError) << line;
  EXPECT_EQ(parsed.consumed, line.size()) << line;
  return parsed.error;
}

// What a whole stream gives, one string per command or error that means something.
std::vector<std::string> trace(std::string_view stream, std::size_t split) {
  TextParser parser(kValueBytesMax);
  std::vector<std::string> out;
  std::size_t begin = 0;
  for (const std::size_t end : {split, stream.size()}) {
    while (true) {
      const TextParse parsed = parser.parse(stream.substr(begin, end - begin));
      if (parsed.kind == Kind::kNeedMore) break;
      begin += parsed.consumed;
      if (parsed.kind == Kind::kCommand) {
        out.push_back(std::to_string(static_cast<int>(parsed.command.op)) + " " +
                      std::string(parsed.command.key) + (parsed.command.last_key ? " last" : ""));
      } else if (!parsed.error.reply.empty()) {
        out.emplace_back(parsed.error.reply);
      }
      if (parsed.error.close) return out;
    }
  }
  return out;
}

TEST(TextParser, Get) {
  const TextCommand c = command("get key\r\n");
  EXPECT_EQ(c.op, TextOp::kGet);
  EXPECT_EQ(c.key, "key");
  EXPECT_TRUE(c.last_key);
  EXPECT_FALSE(c.noreply);
  EXPECT_EQ(command("gets key\n").op, TextOp::kGets);
  EXPECT_EQ(command("  get   key  \r\n").key, "key");
  EXPECT_EQ(command("get a\rb\r\n").key, "a\rb");
  EXPECT_EQ(command("get a\r\r\n").key, "a\r");
  EXPECT_EQ(command("get a\tb\r\n").key, "a\tb");
  EXPECT_EQ(command("get noreply\r\n").key, "noreply");
}

TEST(TextParser, KeysOfARetrievalComeOneByOne) {
  const std::string line = "gets a  bb ccc \r\nversion\r\n";
  TextParser parser(kValueBytesMax);
  std::string_view rest = line;
  for (const std::string_view key : {"a", "bb", "ccc"}) {
    const TextParse parsed = parser.parse(rest);
    ASSERT_EQ(parsed.kind, Kind::kCommand);
    EXPECT_EQ(parsed.command.op, TextOp::kGets);
    EXPECT_EQ(parsed.command.key, key);
    EXPECT_EQ(parsed.command.last_key, key == "ccc");
    rest.remove_prefix(parsed.consumed);
  }
  EXPECT_EQ(parser.parse(rest).command.op, TextOp::kVersion);
}

TEST(TextParser, EveryKeyOfGatCarriesTheExptime) {
  TextParser parser(kValueBytesMax);
  const std::string_view line = "gats -5 a b\r\n";
  const TextParse a = parser.parse(line);
  const TextParse b = parser.parse(line.substr(a.consumed));
  for (const TextParse& parsed : {a, b}) {
    EXPECT_EQ(parsed.command.op, TextOp::kGats);
    EXPECT_EQ(parsed.command.exptime, -5);
  }
  EXPECT_EQ(b.command.key, "b");
  EXPECT_EQ(command("gat 100 k\r\n").exptime, 100);
}

TEST(TextParser, RetrievalErrors) {
  for (const char* line : {"get\r\n", "get \r\n", "gets\n", "gat\r\n", "gat \r\n", "gets   \n"}) {
    EXPECT_EQ(error(line).reply, text_reply::kError) << line;
  }
  // memcached takes these for a retrieval of no keys.
  EXPECT_EQ(error("gat 0\r\n").reply, text_reply::kEnd);
  EXPECT_EQ(error("gats 0 \n").reply, text_reply::kEnd);

  const std::string bad = text_reply::kBadExptime.data();
  EXPECT_EQ(trace("gat x\r\nget a\r\n", 0), (std::vector<std::string>{bad, "0 a last"}));
  EXPECT_EQ(trace("gat x a b\r\nget a\r\n", 0), (std::vector<std::string>{bad, "0 a last"}));
}

TEST(TextParser, KeyLength) {
  EXPECT_EQ(command("get " + key_of(250) + "\r\n").key, key_of(250));
  EXPECT_EQ(command("get " + key_of(250) + "\n").key, key_of(250));
  EXPECT_EQ(command("set " + key_of(250) + " 0 0 1\r\n").key, key_of(250));
  const std::string bad = text_reply::kBadLine.data();
  for (const char* end : {"\r\n", "\n", " b\r\n"}) {
    const std::vector<std::string> expected = {bad, "11 x last"};
    for (const std::size_t bytes : {251U, 252U, 253U, 3000U}) {
      EXPECT_EQ(trace("get " + key_of(bytes) + end + "incr x 1\r\n", 0), expected) << bytes;
    }
  }
  EXPECT_EQ(error("set " + key_of(251) + " 0 0 1\r\n").reply, bad);
  EXPECT_EQ(error("set " + key_of(251) + " 0 0 1 noreply\r\n").reply, "");
  for (const char* line : {"delete K\r\n", "incr K x\r\n", "touch K x\r\n"}) {
    std::string with_key = line;
    with_key.replace(with_key.find('K'), 1, key_of(251));
    EXPECT_EQ(error(with_key).reply, bad) << line;
  }
}

TEST(TextParser, Storage) {
  const TextCommand c = command("set key 7 -1 12\r\n");
  EXPECT_EQ(c.op, TextOp::kSet);
  EXPECT_EQ(c.key, "key");
  EXPECT_EQ(c.flags, 7U);
  EXPECT_EQ(c.exptime, -1);
  EXPECT_EQ(c.value_bytes, 12U);
  EXPECT_FALSE(c.noreply);
  EXPECT_TRUE(command("set key 0 0 1 noreply\r\n").noreply);
  EXPECT_FALSE(command("set key 0 0 1 NOREPLY\r\n").noreply);
  EXPECT_FALSE(command("set noreply 0 0 1\r\n").noreply);
  EXPECT_EQ(command("add k 0 0 1\n").op, TextOp::kAdd);
  EXPECT_EQ(command("replace k 0 0 1\n").op, TextOp::kReplace);
  EXPECT_EQ(command("append k 0 0 1\n").op, TextOp::kAppend);
  EXPECT_EQ(command("prepend k 0 0 1\n").op, TextOp::kPrepend);

  const TextCommand cas = command("cas k 0 0 1 18446744073709551615 noreply\r\n");
  EXPECT_EQ(cas.op, TextOp::kCas);
  EXPECT_EQ(cas.cas, std::numeric_limits<std::uint64_t>::max());
  EXPECT_TRUE(cas.noreply);
}

TEST(TextParser, NumbersAreReadAsMemcachedReadsThem) {
  EXPECT_EQ(command("set k +1 \t2 3\t4\r\n").flags, 1U);
  EXPECT_EQ(command("set k 1 \t2 3\t4\r\n").exptime, 2);
  EXPECT_EQ(command("set k 1 \t2 3\t4\r\n").value_bytes, 3U);
  EXPECT_EQ(command("set k 4294967299 0 1\r\n").flags, 3U);
  EXPECT_EQ(command("set k 0 9223372036854775807 1\r\n").exptime,
            std::numeric_limits<std::int64_t>::max());
  EXPECT_EQ(command("set k 0 -9223372036854775808 1\r\n").exptime,
            std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(command("set k -0 0 -0\r\n").value_bytes, 0U);
  EXPECT_EQ(command("incr k 00000000000000000000000000001\r\n").delta, 1U);
  EXPECT_EQ(command("incr k -18446744073709551615\r\n").delta, 1U);
  for (const char* line :
       {"set k -1 0 1\r\n", "set k x 0 1\r\n", "set k 1x 0 1\r\n", "set k 0x1 0 1\r\n",
        "set k 18446744073709551616 0 1\r\n", "set k 0 x 1\r\n",
        "set k 0 9223372036854775808 1\r\n", "set k 0 -9223372036854775809 1\r\n",
        "set k 0 0 -1\r\n", "set k 0 0 +\r\n", "set k 0 0 - 1\r\n", "set k 0 0 2147483646\r\n",
        "set k 0 0 4294967296\r\n", "cas k 0 0 1 x\r\n", "cas k 0 0 1 -1\r\n",
        "cas k 0 0 1 18446744073709551616\r\n"}) {
    const TextError e = error(line);
    EXPECT_EQ(e.reply, text_reply::kBadLine) << line;
    EXPECT_EQ(e.swallow_bytes, 0U) << line;  // memcached reads the body as commands
    EXPECT_FALSE(e.close) << line;
  }
}

TEST(TextParser, WrongNumberOfArguments) {
  for (const char* line : {"\r\n",
                           "\n",
                           " \r\n",
                           "\r\r\n",
                           "set\r\n",
                           "set k\r\n",
                           "set k 0 0\r\n",
                           "set k 0 0 1 noreply x\r\n",
                           "set k 0 0 1 x noreply\r\n",
                           "cas k 0 0 1\r\n",
                           "cas k 0 0 1 1 x noreply\r\n",
                           "set k 1 1 1 1 1 1 1 1 1 1 1 1\r\n",
                           "delete\r\n",
                           "delete k 0 0 noreply\r\n",
                           "incr\r\n",
                           "incr k\r\n",
                           "incr k 1 noreply noreply\r\n",
                           "decr k 1 2 3\r\n",
                           "touch\r\n",
                           "touch k\r\n",
                           "touch k 0 x y\r\n",
                           "flush_all 1 2 noreply\r\n",
                           "verbosity\r\n",
                           "verbosity 1 2 3\r\n",
                           "verbosity 0 1 noreply\r\n"}) {
    EXPECT_EQ(error(line).reply, text_reply::kError) << line;
  }
}

TEST(TextParser, UnknownVerbs) {
  for (const char* line :
       {"x\r\n", "GET a\r\n", "getx a\r\n", "ge a\r\n", "g\r\n", "sets a 0 0 1\r\n", "versionx\r\n",
        "get\ta\r\n", "unheard of\r\n", "noreply\r\n"}) {
    EXPECT_EQ(error(line).reply, text_reply::kError) << line;
  }
}

TEST(TextParser, TooLargeValueIsSwallowed) {
  EXPECT_EQ(command("set k 0 0 1000\r\n").value_bytes, 1000U);
  TextParser parser(kValueBytesMax);
  const TextParse parsed = parser.parse("set k 0 0 1001\r\n");
  EXPECT_EQ(parsed.kind, Kind::kError);
  EXPECT_EQ(parsed.error.reply, text_reply::kTooLarge);
  EXPECT_EQ(parsed.error.swallow_bytes, 1003U);
  EXPECT_FALSE(parsed.error.close);
  EXPECT_EQ(parsed.command.op, TextOp::kSet);
  EXPECT_EQ(parsed.command.key, "k");
  const TextError silent = error("append k 0 0 2147483645 noreply\r\n");
  EXPECT_EQ(silent.reply, "");
  EXPECT_EQ(silent.swallow_bytes, 2147483647U);
}

TEST(TextParser, Delete) {
  EXPECT_EQ(command("delete k\r\n").op, TextOp::kDelete);
  EXPECT_FALSE(command("delete k 0\r\n").noreply);
  EXPECT_TRUE(command("delete k noreply\r\n").noreply);
  EXPECT_TRUE(command("delete k 0 noreply\r\n").noreply);
  EXPECT_FALSE(command("delete noreply\r\n").noreply);
  for (const char* line : {"delete k 1\r\n", "delete k 00\r\n", "delete k 0 0\r\n"}) {
    EXPECT_EQ(error(line).reply, text_reply::kBadDelete) << line;
  }
  EXPECT_EQ(error("delete k 1 noreply\r\n").reply, "");
  EXPECT_EQ(error("delete " + key_of(251) + " x\r\n").reply, text_reply::kBadDelete);
}

TEST(TextParser, IncrDecrTouch) {
  const TextCommand incr = command("incr k 18446744073709551615 noreply\r\n");
  EXPECT_EQ(incr.op, TextOp::kIncr);
  EXPECT_EQ(incr.delta, std::numeric_limits<std::uint64_t>::max());
  EXPECT_TRUE(incr.noreply);
  EXPECT_EQ(command("decr k 5 x\r\n").delta, 5U);
  EXPECT_EQ(error("incr k x\r\n").reply, text_reply::kBadDelta);
  EXPECT_EQ(error("incr k -1\r\n").reply, text_reply::kBadDelta);
  EXPECT_EQ(error("decr k noreply\r\n").reply, "");

  EXPECT_EQ(command("touch k -3\r\n").exptime, -3);
  EXPECT_TRUE(command("touch k 0 noreply\r\n").noreply);
  EXPECT_EQ(error("touch k x\r\n").reply, text_reply::kBadExptime);
  EXPECT_EQ(error("touch k noreply\r\n").reply, "");
}

TEST(TextParser, FlushAllAndVerbosity) {
  EXPECT_EQ(command("flush_all\r\n").exptime, 0);
  EXPECT_EQ(command("flush_all 10\r\n").exptime, 10);
  EXPECT_TRUE(command("flush_all noreply\r\n").noreply);
  EXPECT_TRUE(command("flush_all 5 noreply\r\n").noreply);
  EXPECT_EQ(command("flush_all -1 x\r\n").exptime, -1);
  EXPECT_EQ(command("flush_all 5\r\n").key, "");
  EXPECT_EQ(error("flush_all x\r\n").reply, text_reply::kBadExptime);
  EXPECT_EQ(error("flush_all noreply noreply\r\n").reply, "");

  EXPECT_EQ(command("verbosity 1\r\n").argument, "1");
  EXPECT_TRUE(command("verbosity 1 noreply\r\n").noreply);
  EXPECT_EQ(error("verbosity x\r\n").reply, text_reply::kBadLine);
  EXPECT_EQ(error("verbosity noreply\r\n").reply, "");
}

TEST(TextParser, PlainCommands) {
  EXPECT_EQ(command("version\r\n").op, TextOp::kVersion);
  EXPECT_EQ(command("quit a b c d e f g h i j\r\n").op, TextOp::kQuit);
  EXPECT_EQ(command("stats\r\n").argument, "");
  EXPECT_EQ(command("stats  detail dump \r\n").argument, "detail dump");
  EXPECT_EQ(command("shutdown graceful\r\n").argument, "graceful");
}

TEST(TextParser, LineTooLongCannotBeKeptInStep) {
  const std::string longest(kCommandLineBytesMax - 1, 'x');
  EXPECT_EQ(error(longest + "\r\n").reply, text_reply::kError);
  TextParser parser(kValueBytesMax);
  EXPECT_EQ(parser.parse(longest + "x").kind, Kind::kNeedMore);
  const TextParse parsed = parser.parse(longest + "xx\n");
  EXPECT_EQ(parsed.kind, Kind::kError);
  EXPECT_TRUE(parsed.error.close);
  EXPECT_EQ(parsed.error.reply, "");
}

TEST(TextParser, RetrievalOfAnyLengthNeedsABoundedBuffer) {
  std::string line = "get";
  for (int i = 0; i < 5000; ++i) line.append(" ").append(std::to_string(i));
  line += "\r\n";
  TextParser parser(kValueBytesMax);
  std::size_t begin = 0;
  for (int i = 0; i < 5000; ++i) {
    TextParse parsed;
    std::size_t given = 0;
    while (parsed.kind == Kind::kNeedMore) {
      parsed = parser.parse(std::string_view(line).substr(begin, ++given));
      ASSERT_LT(given, 32U);
    }
    ASSERT_EQ(parsed.command.key, std::to_string(i));
    begin += parsed.consumed;
  }
  EXPECT_EQ(begin, line.size());
}

TEST(TextParser, BlanksWithoutEndCannotFillTheBuffer) {
  for (const std::string start : {"", "get", "get a", "gat", "gat 0", "gat 0 a", "get a b"}) {
    TextParser parser(kValueBytesMax);
    std::string_view rest;
    const std::string stream = start + std::string(kTextLookaheadBytes, ' ') + "\r";
    for (rest = stream; !rest.empty();) {
      const TextParse parsed = parser.parse(rest);
      ASSERT_NE(parsed.kind, Kind::kNeedMore) << start;
      if (parsed.error.close) break;
      rest.remove_prefix(parsed.consumed);
    }
  }
}

TEST(TextParser, SplitsDoNotMatter) {
  const std::string stream = "get a  b\r\n\r\nget " + key_of(260) + " c\r\n gat 5 x y \n" +
                             "gat q a b\r\nset k 0 0 5000 noreply\r\ntouch k 1\ndelete k 0 0\n" +
                             "gats 0\r\nget a\r b\r\r\nget \r\nunheard of\r\nquit\r\n";
  const std::vector<std::string> whole = trace(stream, stream.size());
  EXPECT_EQ(whole.size(), 15U);
  for (std::size_t split = 0; split < stream.size(); ++split) {
    EXPECT_EQ(trace(stream, split), whole) << split;
  }
}

TEST(TextParser, NeedsMoreOfEveryProperPrefix) {
  for (const std::string_view line :
       {"get key\r\n", "gat 5 key\r\n", "set key 0 0 1\r\n", "unheard\r\n", "stats x\n"}) {
    for (std::size_t n = 0; n < line.size(); ++n) {
      TextParser parser(kValueBytesMax);
      const TextParse parsed = parser.parse(line.substr(0, n));
      EXPECT_EQ(parsed.kind, Kind::kNeedMore) << line.substr(0, n);
      EXPECT_EQ(parsed.consumed, 0U);
    }
  }
}

}  // namespace
}  // namespace minos
