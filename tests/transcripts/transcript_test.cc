#include "transcripts/transcript.h"

#include <gtest/gtest.h>

#include <deque>
#include <utility>

namespace minos {
namespace {

using Kind = TranscriptStep::Kind;

Transcript parsed(std::string_view text) {
  auto transcript = parse_transcript("t", text);
  EXPECT_TRUE(transcript) << transcript.error();
  return transcript.value_or(Transcript());
}

// The only literal of a `>` line.
std::string bytes(std::string_view text) {
  const Transcript t = parsed("> " + std::string(text));
  if (t.steps.size() != 1 || t.steps[0].pieces.size() != 1) return "not one literal";
  return std::get<std::string>(t.steps[0].pieces[0]);
}

using Script = std::vector<std::pair<std::string, std::string>>;

// Answers each request of a list, in whatever pieces it is sent.
class ScriptedPeer final : public TranscriptPeer {
 public:
  explicit ScriptedPeer(const Script& script) : script_(script.begin(), script.end()) {}

  void send(std::string_view bytes) override {
    ++sends;
    got_ += bytes;
    while (!script_.empty() && got_.starts_with(script_.front().first)) {
      got_.erase(0, script_.front().first.size());
      reply_ += script_.front().second;
      script_.pop_front();
    }
  }
  std::string receive(std::size_t bytes_max) override {
    std::string out = reply_.substr(0, bytes_max);
    reply_.erase(0, out.size());
    return out;
  }
  void wait(double seconds) override { waited += seconds; }
  bool closed() override { return is_closed; }
  void reconnect() override { ++reconnects; }
  std::int64_t unix_now() override { return 1000; }

  int sends = 0;
  int reconnects = 0;
  double waited = 0;
  bool is_closed = false;

 private:
  std::deque<std::pair<std::string, std::string>> script_;
  std::string got_;
  std::string reply_;
};

TEST(TranscriptParser, Bytes) {
  EXPECT_EQ(bytes("get k\\r\\n"), "get k\r\n");
  EXPECT_EQ(bytes("\\x00\\xfF\\\\\\{\\}\\#\\t#"), std::string("\0\xff\\{}#\t#", 8));
  EXPECT_EQ(bytes(" two  blanks "), " two  blanks ");
  EXPECT_EQ(bytes("a{x*3}b"), "axxxb");
  EXPECT_EQ(bytes("{ k#*3}"), " k0 k1 k2");
  EXPECT_EQ(bytes("{#\\#\\}*2}"), "0#}1#}");
  EXPECT_EQ(bytes("{2*3*2}"), "2*32*3");
  EXPECT_EQ(bytes("{x*0}y"), "y");
  EXPECT_EQ(bytes("{x*1048576}").size(), 1048576U);
}

TEST(TranscriptParser, References) {
  const Transcript t = parsed("< a {cas:n1} {n1} {now+5}{now-7}");
  ASSERT_EQ(t.steps.size(), 1U);
  const auto& pieces = t.steps[0].pieces;
  ASSERT_EQ(pieces.size(), 7U);
  EXPECT_TRUE(std::get<TranscriptName>(pieces[1]).capture);
  EXPECT_EQ(std::get<TranscriptName>(pieces[1]).name, "n1");
  EXPECT_FALSE(std::get<TranscriptName>(pieces[3]).capture);
  EXPECT_EQ(std::get<TranscriptTime>(pieces[5]).offset_s, 5);
  EXPECT_EQ(std::get<TranscriptTime>(pieces[6]).offset_s, -7);
}

TEST(TranscriptParser, Steps) {
  const Transcript t = parsed(
      "# comment\nargs -I 2m\nminos-only because\n\n> a\n> b\n< c\n< d\n~ e .*\n~* f\nwait 1.5\n"
      "closed\nconnect\n> g");
  EXPECT_EQ(t.args, "-I 2m");
  EXPECT_EQ(t.minos_only, "because");
  std::vector<Kind> kinds;
  for (const TranscriptStep& step : t.steps) kinds.push_back(step.kind);
  EXPECT_EQ(kinds,
            (std::vector{Kind::kSend, Kind::kExpect, Kind::kExpect, Kind::kMatch, Kind::kMatchAll,
                         Kind::kWait, Kind::kClosed, Kind::kConnect, Kind::kSend}));
  EXPECT_EQ(t.steps[0].line, 5);
  EXPECT_EQ(std::get<std::string>(t.steps[0].pieces[0]), "ab");
  EXPECT_EQ(t.steps[3].regex, "e .*");
  EXPECT_EQ(t.steps[5].seconds, 1.5);
}

TEST(TranscriptParser, BadLinesAreNamed) {
  for (const std::string bad : {"nonsense", "> \\q", "> \\x4", "> \\xgg", "> {", "> {a", "> {a b}",
                                "> {}", "> {now+x}", "wait x", "connect now", ">a", "> \\"}) {
    const auto t = parse_transcript("name", "> ok\n" + bad + "\n");
    ASSERT_FALSE(t) << bad;
    EXPECT_TRUE(t.error().starts_with("name:2: ")) << t.error();
  }
}

TEST(TranscriptParser, EveryTranscriptIsReadable) {
  const auto all = load_transcripts(MINOS_TRANSCRIPTS);
  ASSERT_TRUE(all) << all.error();
  EXPECT_GE(all->size(), 10U);
  double seconds = 0;
  for (const Transcript& t : *all) {
    EXPECT_FALSE(t.steps.empty()) << t.name;
    for (const TranscriptStep& step : t.steps) seconds += step.seconds;
  }
  EXPECT_LE(seconds, 8);
}

TEST(TranscriptRunner, PlaysARequestWholeOrSplit) {
  const Transcript t = parsed("> get k\\r\\n\n< VALUE {cas:id}\\r\\n\n~ E.D\n> {id} {now+5}\n< ok");
  for (const TranscriptSplit& split :
       {TranscriptSplit{}, TranscriptSplit{.kind = TranscriptSplit::Kind::kEveryByte},
        TranscriptSplit{.kind = TranscriptSplit::Kind::kAt, .at = 3},
        TranscriptSplit{.kind = TranscriptSplit::Kind::kRandom, .seed = 7}}) {
    ScriptedPeer peer(Script{{"get k\r\n", "VALUE 17\r\nEND\r\n"}, {"17 1005", "ok"}});
    EXPECT_EQ(run_transcript(t, peer, split), "");
    if (split.kind == TranscriptSplit::Kind::kWhole) {
      EXPECT_EQ(peer.sends, 2);
    }
    if (split.kind == TranscriptSplit::Kind::kEveryByte) {
      EXPECT_EQ(peer.sends, 14);
    }
    if (split.kind == TranscriptSplit::Kind::kAt) {
      EXPECT_EQ(peer.sends, 4);
    }
  }
}

TEST(TranscriptRunner, TellsTheFirstDifference) {
  const Transcript t = parsed("> a\n< VALUE\n");
  ScriptedPeer other(Script{{"a", "VALVE"}});
  EXPECT_NE(run_transcript(t, other).find("t:2: first difference at byte 3"), std::string::npos);
  ScriptedPeer less(Script{{"a", "VAL"}});
  EXPECT_NE(run_transcript(t, less).find("difference at byte 3"), std::string::npos);
  ScriptedPeer more(Script{{"a", "VALUE!"}});
  EXPECT_NE(run_transcript(t, more).find("wanted nothing more, got \"!\""), std::string::npos);
}

TEST(TranscriptRunner, MatchesLines) {
  const Transcript t = parsed("> a\n~* STAT \\w+ \\d+\n< END");
  ScriptedPeer peer(Script{{"a", "STAT a 1\r\nSTAT b 2\r\nEND"}});
  EXPECT_EQ(run_transcript(t, peer), "");
  ScriptedPeer none(Script{{"a", "END"}});
  EXPECT_EQ(run_transcript(t, none), "");
  ScriptedPeer odd(Script{{"a", "STAT a 1\r\nSTAT b x\r\nEND"}});
  EXPECT_NE(run_transcript(t, odd), "");
}

TEST(TranscriptRunner, WaitsClosesAndReconnects) {
  const Transcript t = parsed("wait 2\n> quit\nclosed\nconnect\n> a\n< b");
  ScriptedPeer peer(Script{{"quit", ""}, {"a", "b"}});
  EXPECT_NE(run_transcript(t, peer).find("t:3: the connection is still open"), std::string::npos);
  ScriptedPeer closing(Script{{"quit", ""}, {"a", "b"}});
  closing.is_closed = true;
  EXPECT_EQ(run_transcript(t, closing), "");
  EXPECT_EQ(closing.reconnects, 1);
  EXPECT_EQ(closing.waited, 2);
}

}  // namespace
}  // namespace minos
