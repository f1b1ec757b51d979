#include "transcripts/datagram_player.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cctype>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <thread>
#include <utility>

#include "base/check.h"
#include "transcripts/fake_options.h"
#include "transcripts/text_only.h"
#include "transcripts/text_over_datagrams.h"

namespace minos {

std::string case_name(std::string_view text) {
  std::string name(text);
  std::erase_if(name, [](unsigned char c) { return std::isalnum(c) == 0; });
  return name;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

Minosd::Minosd(const ServerShape& shape, std::vector<std::string> command,
               const std::string& transcript_args) {
  command.insert(command.end(), {"--sharding=" + std::string(name_of(shape.policy)),
                                 "--threads=" + std::to_string(shape.threads),
                                 "--rx-queues=" + std::to_string(shape.queues), "--epoch-ms=20"});
  for (const std::string& word : words_of(transcript_args)) command.push_back(word);
  std::vector<char*> pointers;
  for (std::string& word : command) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  pid_ = ::fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) {
    ::execvp(pointers[0], pointers.data());
    ::_exit(127);
  }
}

int Minosd::stop() {
  if (pid_ == 0) return 0;
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(std::exchange(pid_, 0), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::vector<std::string> played_transcripts() {
  auto names = transcript_names(MINOS_TRANSCRIPTS);
  CHECK(names.has_value());
  std::erase_if(*names, [](const std::string& name) {
    const TextOnly* const known = text_only(name);
    return known != nullptr && known->skipped;
  });
  return *names;
}

Transcript transcript_named(const std::string& name) {
  auto transcript = load_transcript(std::filesystem::path(MINOS_TRANSCRIPTS) / name);
  CHECK(transcript.has_value());
  return *std::move(transcript);
}

void play_transcript(const Transcript& transcript, DatagramChannel& channel) {
  SessionOptions options;
  options.timeout = std::chrono::seconds(20);
  options.window_bytes = channel.window_bytes();
  // A server takes the writes of two sessions with the same ids for the same writes.
  static std::uint64_t sessions = 0;
  options.seed = (std::uint64_t{sessions++} << 32) + static_cast<std::uint64_t>(::getpid());
  TextOverDatagrams peer(
      options, channel,
      {.now = [] { return Nanos(std::chrono::steady_clock::now().time_since_epoch()); },
       .unix_now = [] { return std::int64_t{std::time(nullptr)}; },
       .wait =
           [](double seconds) {
             std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
           }},
      options_from(transcript).item_bytes_max);
  EXPECT_EQ(run_transcript(transcript, peer), "");
  EXPECT_GT(peer.requests(), 0U);
  EXPECT_EQ(peer.counters().garbage, 0U);
}

}  // namespace minos
