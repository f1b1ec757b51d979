#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Transcripts: what a client sends and what the server answers. README.md has the format.
namespace minos {

// A number that a reply bound to `name`, or binds.
struct TranscriptName {
  std::string name;
  bool capture = false;
};

// The server's Unix time plus this.
struct TranscriptTime {
  std::int64_t offset_s = 0;
};

using TranscriptPiece = std::variant<std::string, TranscriptName, TranscriptTime>;

struct TranscriptStep {
  enum class Kind : std::uint8_t {
    kSend,      // pieces
    kExpect,    // pieces
    kMatch,     // one line like `regex`
    kMatchAll,  // as many as there are
    kWait,      // seconds
    kConnect,
    kClosed,
  };
  Kind kind = Kind::kSend;
  int line = 0;
  std::vector<TranscriptPiece> pieces;
  std::string regex;
  double seconds = 0;
};

struct Transcript {
  std::string name;
  std::string args;        // flags that the server needs
  std::string minos_only;  // why it differs from memcached; empty: it does not
  std::vector<TranscriptStep> steps;
};

// Errors are sentences that begin with NAME:LINE.
std::expected<Transcript, std::string> parse_transcript(std::string_view name,
                                                        std::string_view text);
std::expected<Transcript, std::string> load_transcript(const std::filesystem::path& path);

// Names of the files of a folder, in order.
std::expected<std::vector<std::string>, std::string> transcript_names(
    const std::filesystem::path& folder);
// All of them.
std::expected<std::vector<Transcript>, std::string> load_transcripts(
    const std::filesystem::path& folder);

// A client's side of one connection to the server under test.
class TranscriptPeer {
 public:
  virtual ~TranscriptPeer() = default;

  virtual void send(std::string_view bytes) = 0;
  // Takes up to bytes_max of what the server sent; fewer only when no more is coming.
  virtual std::string receive(std::size_t bytes_max) = 0;
  virtual void wait(double seconds) = 0;
  virtual bool closed() = 0;     // has the server closed the connection?
  virtual void reconnect() = 0;  // goes on over a new connection
  virtual std::int64_t unix_now() = 0;
};

struct TranscriptSplit {
  enum class Kind : std::uint8_t {
    kWhole,
    kEveryByte,
    kAt,      // in two, before byte `at` of every request that is longer
    kRandom,  // in pieces of random length, drawn from `seed`
  };
  Kind kind = Kind::kWhole;
  std::size_t at = 0;
  std::uint64_t seed = 0;
};

// Plays a transcript; empty when all goes as written, or else the first difference.
std::string run_transcript(const Transcript& transcript, TranscriptPeer& peer,
                           const TranscriptSplit& split = {});

}  // namespace minos
