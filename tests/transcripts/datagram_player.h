#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "client/datagram_channel.h"
#include "sharding/policy.h"
#include "transcripts/transcript.h"

// Plays transcripts as datagrams against minosd in a process of its own, over whatever data plane.
namespace minos {

struct ServerShape {
  PolicyKind policy;
  std::uint16_t threads;
  std::uint16_t queues;
};

// Each policy once.
inline constexpr std::array<ServerShape, 5> kServerShapes = {{
    {PolicyKind::kElastic, 2, 4},
    {PolicyKind::kSizeAware, 3, 3},
    {PolicyKind::kKeyHash, 2, 2},
    {PolicyKind::kSoftwareHandoff, 3, 8},
    {PolicyKind::kWorkStealing, 4, 4},
}};

// For the messages of tests.
inline void PrintTo(const ServerShape& shape, std::ostream* out) {
  *out << name_of(shape.policy);
}

// Letters and digits only, as the names of test cases are.
std::string case_name(std::string_view text);

// minosd, as long as it is held.
class Minosd {
 public:
  // `command` is the program and what comes first of its arguments; `transcript_args` are separated
  // by blanks, as in a transcript.
  Minosd(const ServerShape& shape, std::vector<std::string> command,
         const std::string& transcript_args);
  ~Minosd() { stop(); }
  Minosd(const Minosd&) = delete;
  Minosd& operator=(const Minosd&) = delete;

  // Its exit code; -1 when a signal ended it.
  int stop();

 private:
  pid_t pid_ = 0;
};

// Names of those that have something to say over datagrams; datagram_transcript_test.cc shows
// which.
std::vector<std::string> played_transcripts();
Transcript transcript_named(const std::string& name);

// What stands between blanks.
std::vector<std::string> words_of(const std::string& text);

// Fails the running test unless every reply is as written and nothing received was garbage.
void play_transcript(const Transcript& transcript, DatagramChannel& channel);

}  // namespace minos
